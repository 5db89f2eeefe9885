//! Which entries are signature related (JAR File Specification, "Signed JAR File").

/// Where the manifest is.
pub(crate) const MANIFEST_NAME: &str = "META-INF/MANIFEST.MF";

/// Whether a name ends like a signature file or block, in any folder and any case.
pub(crate) fn is_block_or_signature_file(name: &str) -> bool {
    let upper = name.to_uppercase();
    upper.ends_with(".SF") || is_block(&upper)
}

/// Whether an upper-case name ends like a signature block.
pub(crate) fn is_block(upper: &str) -> bool {
    upper.ends_with(".DSA") || upper.ends_with(".RSA") || upper.ends_with(".EC")
}

/// Whether a name has the extension of a signature file or block in capitals; elsewhere case does not matter, but the
/// JDK's listing looks at it.
pub(crate) fn has_signature_extension(name: &str) -> bool {
    name.ends_with(".SF") || is_block(name)
}

/// Whether a name starts with `META-INF/`, in any case.
pub(crate) fn has_meta_inf_prefix(name: &str) -> bool {
    name.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("META-INF/"))
}

/// Whether a name is directly in `META-INF/`, in any case.
pub(crate) fn is_in_meta_inf(name: &str) -> bool {
    has_meta_inf_prefix(name) && name.get(9..).is_some_and(|rest| !rest.contains('/'))
}

/// Whether an entry belongs to the signature and need not be signed itself.
pub(crate) fn is_signature_related(name: &str) -> bool {
    if !is_in_meta_inf(name) {
        return false;
    }
    let file = name.get(9..).unwrap_or_default().to_uppercase();
    if file == "MANIFEST.MF" || is_block_or_signature_file(&file) {
        return true;
    }
    match file.strip_prefix("SIG-") {
        Some(_) => match file.rsplit_once('.') {
            None => true,
            Some((_, extension)) => {
                (1..=3).contains(&extension.len())
                    && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }
        },
        None => false,
    }
}

/// The name under which signature files know an entry.
pub(crate) fn plain_name(name: &str) -> &str {
    let name = name.strip_prefix("./").unwrap_or(name);
    name.strip_prefix('/').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_related_names() {
        for name in
            ["META-INF/MANIFEST.MF", "meta-inf/x.sf", "META-INF/A.EC", "META-INF/SIG-X", "META-INF/sig-x.abc"]
        {
            assert!(is_signature_related(name), "{name}");
        }
        for name in [
            "META-INF/SIG-X.ABCD",
            "META-INF/sub/X.SF",
            "META-INF/services/x",
            "x/META-INF/A.SF",
            "META-INF/A.P7S",
        ] {
            assert!(!is_signature_related(name), "{name}");
        }
    }
}
