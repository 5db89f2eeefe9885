//! The JDKs whose `jarsigner` is reproduced, and all that they do differently, as one table of facts.
//!
//! Every fact was seen: the generated cases were put to each of these JDKs (`fixtures/conformance`).

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

/// A JDK whose `jarsigner -verify` is known, in the order of their strictness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub enum Jdk {
    /// OpenJDK 17.0.15 (April 2025).
    #[serde(rename = "17.0.15")]
    V17_0_15,
    /// OpenJDK 17.0.21.1 (November 2026), what `17` stands for.
    #[default]
    #[serde(rename = "17.0.21")]
    V17_0_21,
    /// OpenJDK 25, seen as Temurin 25.0.3 (April 2026).
    #[serde(rename = "25")]
    V25,
}

/// A name that stands for none of the known JDKs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown JDK {0:?}; known are 17.0.15, 17.0.21, 17 (which is 17.0.21) and 25")]
pub struct UnknownJdk(String);

impl Jdk {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::V17_0_15, Self::V17_0_21, Self::V25];

    /// The name, for instance `17.0.21`.
    pub fn name(self) -> &'static str {
        self.rules().name
    }

    /// The feature release, for instance 17.
    pub fn feature_release(self) -> u32 {
        match self {
            Self::V17_0_15 | Self::V17_0_21 => 17,
            Self::V25 => 25,
        }
    }

    /// The JDK of a version as `java -version` prints it between quotation marks, for instance `17.0.21.1`. An update
    /// that nobody has compared is unknown, however near.
    pub fn of_version(version: &str) -> Option<Self> {
        let is = |known: &str| {
            version.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        Self::ALL.into_iter().find(|jdk| is(jdk.rules().version))
    }

    pub(crate) fn rules(self) -> &'static Rules {
        match self {
            Self::V17_0_15 => &RULES_17_0_15,
            Self::V17_0_21 => &RULES_17_0_21,
            Self::V25 => &RULES_25,
        }
    }
}

impl FromStr for Jdk {
    type Err = UnknownJdk;

    fn from_str(name: &str) -> Result<Self, UnknownJdk> {
        let known = Self::ALL.into_iter().find(|jdk| jdk.name() == name);
        known.or((name == "17").then_some(Self::default())).ok_or_else(|| UnknownJdk(name.to_owned()))
    }
}

impl fmt::Display for Jdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one JDK does, where others do something else.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The name.
    name: &'static str,
    /// The version that was observed, without its last part if that is a patch or build.
    version: &'static str,

    /// Whether an end record that announces more entries than the directory has room for is refused.
    pub(crate) refuses_high_entry_count: bool,
    /// Whether comments of entries are looked at together with names, as the text then says. Elsewhere a comment that is
    /// not UTF-8 is an error of the program, once its entry is listed.
    pub(crate) checks_entry_comments: bool,
    /// Whether a central directory header of more than 65,535 bytes is refused.
    pub(crate) refuses_long_headers: bool,

    /// Whether signature files and blocks in folders below `META-INF/` count.
    pub(crate) signatures_in_subfolders: bool,
    /// Whether a timestamp token must have the content type `id-ct-TSTInfo` (RFC 3161 section 2.4.2).
    pub(crate) insists_on_tst_info: bool,
    /// Whether a signature without signed attributes over bytes that are a DER SET, which could be attributes, is ignored.
    pub(crate) refuses_ambiguous_content: bool,

    /// Whether names with characters beyond the basic multilingual plane in a BMPString are refused.
    pub(crate) refuses_surrogates: bool,
    /// Whether a ZIP64 extra field of a central directory header must have the values that are marked, and no more.
    pub(crate) insists_on_exact_zip64: bool,

    /// The second pass, by `JarInputStream`: does it happen, and how does it read.
    pub(crate) second_pass: Option<StreamRules>,

    /// What stands before the exception that ended a run.
    pub(crate) error_prefix: &'static str,
    /// The exception class in the message about a keystore that cannot be loaded.
    pub(crate) keystore_exception: &'static str,
    /// Whether keys are shown as `2048-bit RSA key`, not `2048-bit key`, and named so in warnings.
    pub(crate) names_key_algorithms: bool,
    /// What separates the time of day from AM and PM in short dates (CLDR 42 brought the narrow space).
    pub(crate) space_before_meridiem: char,
    /// Whether "not signed by alias in this keystore" is a warning about the last entry, not an error about any.
    pub(crate) keystore_sentence_is_warning: bool,
    /// Whether a signature file or block in any folder makes an unsigned archive one whose signature "is either not
    /// parsable or not verifiable".
    pub(crate) any_folder_has_signatures: bool,
    /// Whether an RSASSA-PSS signature with a disabled digest is described as disabled.
    pub(crate) judges_pss_parameters: bool,
    /// Whether the reason for a weak algorithm in a path names the algorithm alone and the certificate.
    pub(crate) names_certificate_of_weak_path: bool,
}

/// How the second pass reads.
#[derive(Debug)]
pub(crate) struct StreamRules {
    /// Whether 64-bit sizes in a data descriptor are announced by both sizes of the local header being 0xFFFFFFFF
    /// with a ZIP64 extra field; otherwise only by the bytes that have been read.
    pub(crate) announced_wide_descriptors: bool,
    /// Whether a name that is not UTF-8 is an error of the archive, not of the program.
    pub(crate) bad_name_is_zip_error: bool,
}

const RULES_17_0_15: Rules = Rules {
    name: "17.0.15",
    version: "17.0.15",
    refuses_high_entry_count: false,
    checks_entry_comments: false,
    refuses_long_headers: false,
    signatures_in_subfolders: true,
    insists_on_tst_info: false,
    refuses_ambiguous_content: false,
    refuses_surrogates: false,
    insists_on_exact_zip64: false,
    second_pass: None,
    error_prefix: "jarsigner: ",
    keystore_exception: "",
    names_key_algorithms: false,
    space_before_meridiem: ' ',
    keystore_sentence_is_warning: false,
    any_folder_has_signatures: true,
    judges_pss_parameters: false,
    names_certificate_of_weak_path: false,
};

const RULES_17_0_21: Rules = Rules {
    name: "17.0.21",
    version: "17.0.21",
    refuses_high_entry_count: true,
    checks_entry_comments: true,
    insists_on_tst_info: true,
    refuses_ambiguous_content: true,
    refuses_surrogates: true,
    second_pass: Some(StreamRules { announced_wide_descriptors: false, bad_name_is_zip_error: false }),
    ..RULES_17_0_15
};

const RULES_25: Rules = Rules {
    name: "25",
    version: "25.0.3",
    refuses_long_headers: true,
    signatures_in_subfolders: false,
    insists_on_tst_info: false,
    refuses_ambiguous_content: false,
    insists_on_exact_zip64: true,
    second_pass: Some(StreamRules { announced_wide_descriptors: true, bad_name_is_zip_error: true }),
    error_prefix: "jarsigner error: ",
    keystore_exception: "java.lang.RuntimeException: ",
    names_key_algorithms: true,
    space_before_meridiem: '\u{202f}',
    keystore_sentence_is_warning: true,
    any_folder_has_signatures: false,
    judges_pss_parameters: true,
    names_certificate_of_weak_path: true,
    ..RULES_17_0_21
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_find_their_jdk() {
        assert_eq!("17".parse(), Ok(Jdk::V17_0_21));
        for jdk in Jdk::ALL {
            assert_eq!(jdk.to_string().parse(), Ok(jdk));
        }
        for (version, jdk) in [
            ("17.0.15", Some(Jdk::V17_0_15)),
            ("17.0.21.1", Some(Jdk::V17_0_21)),
            ("25.0.3", Some(Jdk::V25)),
            ("17.0.150", None),
            ("17.0.16", None),
            ("25", None),
            ("21.0.5", None),
            ("", None),
        ] {
            assert_eq!(Jdk::of_version(version), jdk, "{version:?}");
        }
        let error = "21".parse::<Jdk>().unwrap_err().to_string();
        assert!(Jdk::ALL.iter().all(|jdk| error.contains(jdk.name())), "{error}");
    }
}
