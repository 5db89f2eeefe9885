//! An accident of `jarsigner`: it passes the text about certificates to `printf` as the format. A per cent sign in a
//! name then ends the run. The drop-in follows, so that exit codes agree; texts for people do not.

/// What Java prints for a format without arguments: the output, or the output so far and the exception.
pub(super) fn format(format: &str) -> Result<String, (String, String)> {
    // Java looks at the whole format before it prints any of it.
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        match Specifier::parse(after) {
            Some(specifier) => {
                if let Some(flag) = specifier.unfit_flag() {
                    let conversion = specifier.conversion;
                    let error = format!(
                        "java.util.FormatFlagsConversionMismatchException: Conversion = {conversion}, Flags = {flag}"
                    );
                    return Err((String::new(), error));
                }
                rest = specifier.rest;
            }
            None => {
                let conversion =
                    after.chars().find(|c| !c.is_ascii_digit() && !FLAGS.contains(*c)).unwrap_or('%');
                let error =
                    format!("java.util.UnknownFormatConversionException: Conversion = '{conversion}'");
                return Err((String::new(), error));
            }
        }
    }
    let mut output = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        output.push_str(before);
        let Some(specifier) = Specifier::parse(after) else { break };
        match specifier.conversion {
            '%' => output.push('%'),
            'n' => output.push('\n'),
            _ => {
                let text = after.strip_suffix(specifier.rest).unwrap_or(after);
                let error = format!("java.util.MissingFormatArgumentException: Format specifier '%{text}'");
                return Err((output, error));
            }
        }
        rest = specifier.rest;
    }
    output.push_str(rest);
    Ok(output)
}

/// `%[index$][flags][width][.precision][t]conversion`
struct Specifier<'a> {
    conversion: char,
    flags: &'a str,
    rest: &'a str,
}

impl<'a> Specifier<'a> {
    /// Parses what follows the per cent sign.
    fn parse(after: &'a str) -> Option<Self> {
        let digits = |text: &'a str| text.trim_start_matches(|c: char| c.is_ascii_digit());
        let indexed = digits(after).strip_prefix('$').unwrap_or(after);
        let flagged = indexed.trim_start_matches(|c: char| FLAGS.contains(c));
        let flags = indexed.strip_suffix(flagged).unwrap_or_default();
        let wide = digits(flagged);
        let precise = wide.strip_prefix('.').map_or(wide, digits);
        let dated = precise.strip_prefix(['t', 'T']).unwrap_or(precise);
        let conversion = dated.chars().next()?;
        let known = "bBhHsScCdoxXeEfgGaA%n".contains(conversion) || dated.len() < precise.len();
        known.then(|| Self {
            conversion,
            flags,
            rest: dated.get(conversion.len_utf8()..).unwrap_or_default(),
        })
    }
}

impl Specifier<'_> {
    /// A flag that characters, texts and truth values do not have.
    fn unfit_flag(&self) -> Option<char> {
        let unfit = match self.conversion {
            'c' | 'C' => "#+ 0,(",
            'b' | 'B' | 'h' | 'H' => "#+ 0,(",
            's' | 'S' => "+ 0,(",
            _ => return None,
        };
        unfit.chars().find(|flag| self.flags.contains(*flag))
    }
}

const FLAGS: &str = "-#+ 0,(<";

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn per_cent_signs_print_or_throw_as_in_java() {
        assert_eq!(format("a 100%% b%n"), Ok("a 100% b\n".to_owned()));
        let error = "java.util.MissingFormatArgumentException: Format specifier '%s'".to_owned();
        assert_eq!(format("CN=100%safe"), Err(("CN=100".to_owned(), error)));
        let error = "java.util.FormatFlagsConversionMismatchException: Conversion = c, Flags =  ".to_owned();
        assert_eq!(format("CN=per 100% cent"), Err((String::new(), error)));
        let error = "java.util.UnknownFormatConversionException: Conversion = 'q'".to_owned();
        assert_eq!(format("50%q"), Err((String::new(), error)));
    }
}
