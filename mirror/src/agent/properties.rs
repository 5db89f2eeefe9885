//! One value of a Java properties file (`java.util.Properties.load`): comments, separators, escapes, continued lines.

/// Returns the last value of a key.
pub(super) fn property(text: &str, key: &str) -> Option<String> {
    let mut value = None;
    let mut logical = String::new();
    for line in text.lines() {
        let line = line.trim_start_matches([' ', '\t', '\u{c}']);
        if logical.is_empty() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        // An odd number of backslashes at the end continues the line.
        if line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1 {
            logical.push_str(line.strip_suffix('\\').unwrap_or(line));
            continue;
        }
        logical.push_str(line);
        let (name, rest) = split_entry(&std::mem::take(&mut logical));
        if name == key {
            value = Some(rest);
        }
    }
    value
}

/// Splits at the first `=`, `:` or blank that is not escaped, and resolves the escapes of both sides.
fn split_entry(line: &str) -> (String, String) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let separates = !escaped && matches!(c, '=' | ':' | ' ' | '\t' | '\u{c}');
            escaped = !escaped && *c == '\\';
            separates
        })
        .map_or(line.len(), |(at, _)| at);
    let (name, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    let blanks = [' ', '\t', '\u{c}'];
    let rest = rest.trim_start_matches(blanks);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(blanks);
    (unescape(name), unescape(rest))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match rest.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                plain.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_java_reads_them() {
        let text = "# package.filename=no\r\n! x=no\r\n a.b = first\r\nc:two\\: \\u0041\\\\\r\nlong=one\\\r\n    two\r\na.b=last \r\nempty\r\nk\\=ey=v";
        assert_eq!(property(text, "a.b").as_deref(), Some("last "));
        assert_eq!(property(text, "c").as_deref(), Some("two: A\\"));
        assert_eq!(property(text, "long").as_deref(), Some("onetwo"));
        assert_eq!(property(text, "empty").as_deref(), Some(""));
        assert_eq!(property(text, "k=ey").as_deref(), Some("v"));
        assert_eq!(property(text, "package.filename"), None);
    }

    proptest::proptest! {
        #[test]
        fn garbage_never_panics(text in "[a=: \\\\\n\r\tu#!é0-9]{0,80}") {
            let _ = property(&text, "a");
        }
    }
}
