//! `plan --instructions`: a page for the person with the browser and the medium. ASCII and CRLF, so that it can be read
//! and printed anywhere; addresses are the only long lines.

use std::fmt::Write as _;

use midmirror_mirror::package::Tree;
use midmirror_mirror::plan::PlannedPackage;

use super::Admitted;

/// The page.
pub(super) fn page(planned: &[PlannedPackage], admitted: &Admitted) -> String {
    let (there, open): (Vec<_>, Vec<_>) =
        planned.iter().partition(|package| admitted.entry(package.path()).is_some());
    let mut page = String::new();
    let mut line = |text: &str| {
        // Names and addresses are ASCII by their types.
        let _never_fails = write!(page, "{text}\r\n");
    };
    line("MID SERVER PACKAGES TO FETCH BY HAND");
    line("====================================");
    line("");
    if open.is_empty() {
        line("Nothing is to be fetched.");
    } else {
        let files =
            if open.len() == 1 { "1 address".to_owned() } else { format!("{} addresses", open.len()) };
        line("1. On a computer with internet access, make a new, empty folder.");
        line("");
        line(&format!("2. Open each of these {files} in a browser and save the"));
        line("   file into that folder. Do not unpack or rename it; do not open it.");
        line("   Tick it off when the download is complete.");
        for (number, package) in open.iter().enumerate() {
            line("");
            line(&format!("   [ ] {}. Save as", number + 1));
            line(&format!("       {}", package.path().name()));
            line("       from");
            line(&format!("       {}", package.url()));
            if package.may_be_absent() {
                line("       \"Not found\" (404) is a normal answer here: it is not made for");
                line("       every build. Write \"none\" beside it and go on.");
            }
            if package.path().name().stamp().fields().is_none() {
                line("       UNUSUAL NAME: save it into a second folder, see step 5.");
            }
            if package.path().tree() == Tree::Unsigned {
                line("       UNSIGNED TREE: it is refused later unless it is signed all the same.");
            }
        }
        steps(&mut line, &open);
    }
    if !there.is_empty() {
        line("");
        line("Already in the store, not to be fetched again:");
        for package in &there {
            let size = admitted.entry(package.path()).map_or(0, |entry| entry.length);
            line(&format!("   {}", package.path().name()));
            line(&format!("   {size} bytes"));
        }
    }
    page
}

fn steps(line: &mut impl FnMut(&str), open: &[&PlannedPackage]) {
    for text in [
        "",
        "3. Check the folder: it has the file names above and no others.",
        "   - A name with (1) in it was saved twice: delete it, save again.",
        "   - A name that ends in .crdownload, .part or .tmp is not complete.",
        "   - A file of some kilobytes that opens as a web page is an error",
        "     page or a login page: delete it, save again.",
        "   - Windows may hide the end of names: View, \"File name extensions\".",
        "",
        "4. Copy the folder to the medium. Eject the medium before you pull it.",
        "",
        "5. On the mirror, check and take in the files (Linux; the medium is at",
        "   /media/usb here):",
        "",
        "       sudo -u midmirror midmirror import-file /media/usb/FOLDER/*",
        "",
        "   It verifies signatures and publishes what is good. \"0 failed\" is the",
        "   result to expect. Whatever is refused is named with the reason:",
        "   fetch it again once, and if it is refused again, report it. Do not",
        "   hand it to any MID Server.",
    ] {
        line(text);
    }
    let irregular: Vec<_> =
        open.iter().filter(|package| package.path().name().stamp().fields().is_none()).collect();
    if !irregular.is_empty() {
        for text in ["", "   Those with unusual names, in the second folder, are imported one by one:"] {
            line(text);
        }
        for package in irregular {
            let name = package.path().name();
            line(&format!("       midmirror import-file {name} --as-path {}", package.path()));
        }
    }
    for text in [
        "",
        "6. To look at a file without a mirror, on any computer with the program:",
        "",
        "       midmirror verify FILE          \"verdict verified\" is good",
    ] {
        line(text);
    }
}
