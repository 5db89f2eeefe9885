//! The arguments of `jarsigner -verify`.

use std::path::Path;

use thiserror::Error;

use super::Environment;

/// Which entries a listing shows, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verbosity {
    /// Each entry with its certificates.
    All,
    /// Entries of equal signers together, with the certificates once.
    Grouped,
    /// The first entry of each group.
    Summary,
    /// An unknown word after `-verbose:`: no entries, only certificates.
    Unknown,
}

/// Parsed arguments.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) file: String,
    pub(super) aliases: Vec<String>,
    pub(super) verbosity: Option<Verbosity>,
    pub(super) certs: bool,
    pub(super) strict: bool,
    pub(super) keystore: Option<String>,
    pub(super) password: Option<Password>,
    pub(super) revocation: bool,
}

/// Where a password comes from.
#[derive(Debug)]
pub(super) enum Password {
    Plain(String),
    Variable(String),
    File(String),
}

/// Arguments that cannot be obeyed.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum ArgumentError {
    #[error("Illegal option: {0}")]
    Illegal(String),
    #[error("Command option {0} needs an argument.")]
    MissingValue(String),
    #[error("Please specify jarfile name")]
    NoFile,
    #[error("only -verify is available here; sign with the JDK's jarsigner")]
    NotVerify,
}

impl Arguments {
    pub(super) fn parse(args: &[String]) -> Result<Self, ArgumentError> {
        let mut arguments = Self::default();
        let mut file = None;
        let mut verify = false;
        let mut rest = args.iter();
        while let Some(argument) = rest.next() {
            if !argument.starts_with('-') {
                match file {
                    None => file = Some(argument.clone()),
                    Some(_) => arguments.aliases.push(argument.clone()),
                }
                continue;
            }
            // The JDK compares option names without case.
            let (option, modifier) = match argument.split_once(':') {
                Some((option, modifier)) => (option, Some(modifier)),
                None => (argument.as_str(), None),
            };
            let mut value =
                || rest.next().cloned().ok_or_else(|| ArgumentError::MissingValue(argument.clone()));
            match option.to_ascii_lowercase().as_str() {
                "-verify" => verify = true,
                "-verbose" => {
                    arguments.verbosity = Some(match modifier {
                        None | Some("all") => Verbosity::All,
                        Some("grouped") => Verbosity::Grouped,
                        Some("summary") => Verbosity::Summary,
                        Some(_) => Verbosity::Unknown,
                    });
                }
                "-certs" => arguments.certs = true,
                "-strict" => arguments.strict = true,
                "-revcheck" => arguments.revocation = true,
                "-keystore" => arguments.keystore = Some(value()?),
                "-storepass" => {
                    let value = value()?;
                    arguments.password = Some(match modifier {
                        Some("env") => Password::Variable(value),
                        Some("file") => Password::File(value),
                        _ => Password::Plain(value),
                    });
                }
                // Accepted, without meaning for verification.
                "-debug" | "-internalsf" | "-sectionsonly" | "-protected" => {}
                "-storetype" | "-sigfile" | "-signedjar" | "-keypass" | "-digestalg" | "-sigalg" | "-tsa"
                | "-tsacert" | "-tsapolicyid" | "-tsadigestalg" | "-certchain" | "-providername"
                | "-providerclass" | "-provider" | "-providerarg" | "-addprovider" | "-providerpath"
                | "-conf" => {
                    value()?;
                }
                runtime if runtime.starts_with("-j") => {}
                _ => return Err(ArgumentError::Illegal(argument.clone())),
            }
        }
        if !verify {
            return Err(ArgumentError::NotVerify);
        }
        arguments.file = file.ok_or(ArgumentError::NoFile)?;
        Ok(arguments)
    }
}

impl Password {
    /// The password itself, or why there is none.
    pub(super) fn resolve(&self, environment: &Environment<'_>) -> Result<String, String> {
        match self {
            Self::Plain(password) => Ok(password.clone()),
            Self::Variable(name) => environment
                .variables
                .get(name)
                .cloned()
                .ok_or_else(|| format!("Cannot find environment variable: {name}")),
            Self::File(path) => std::fs::read_to_string(Path::new(path))
                .map(|text| text.lines().next().unwrap_or_default().to_owned())
                .map_err(|_| format!("Cannot find file: {path}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, ArgumentError> {
        Arguments::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_come_in_any_order_and_case() {
        let arguments =
            parse("-Verify x.jar -VERBOSE:summary -certs one -keystore k -storepass:env P two").unwrap();
        assert_eq!(arguments.file, "x.jar");
        assert_eq!(arguments.aliases, ["one", "two"]);
        assert_eq!(arguments.verbosity, Some(Verbosity::Summary));
        assert!(arguments.certs && !arguments.strict);
        assert!(matches!(arguments.password, Some(Password::Variable(name)) if name == "P"));
    }

    #[test]
    fn what_cannot_be_obeyed_is_refused() {
        assert_eq!(
            parse("-verify -nonsense x.jar").err(),
            Some(ArgumentError::Illegal("-nonsense".to_owned()))
        );
        assert_eq!(parse("-verify").err(), Some(ArgumentError::NoFile));
        assert_eq!(parse("x.jar alias").err(), Some(ArgumentError::NotVerify));
        assert_eq!(
            parse("-verify x.jar -keystore").err(),
            Some(ArgumentError::MissingValue("-keystore".to_owned()))
        );
    }
}
