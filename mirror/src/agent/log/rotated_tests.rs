//! Which block of a rotated log counts.

use super::*;

fn log(head: &str, number: u8) -> AgentLog {
    let name = format!(
        "mid-core.paris-06-24-2020__patch{number}-10-01-2020_10-20-2020_1602.universal.universal.zip"
    );
    AgentLog::parse(&format!(
        "{head}Current packages:\n Installed: []\n Assigned: [{name}]\n Missing: [{name}]\n"
    ))
    .unwrap()
}

fn patch(joined: &AgentLog) -> String {
    let names = joined.block().unwrap().to_get().names;
    names.first().unwrap().stamp().fields().unwrap().patch.clone()
}

#[test]
fn the_newest_block_wins_whatever_the_order_of_the_files() {
    let (ten, eleven) = (log("06/28/19 10:00:00 (1) T ", 1), log("06/28/19 11:00:00 (1) T ", 2));
    assert_eq!(patch(&AgentLog::joined([ten.clone(), eleven.clone()])), "2");
    assert_eq!(patch(&AgentLog::joined([eleven, ten.clone()])), "2");
    let exact = log("2026-06-03T09:46:18.163-0400 INFO  (T) [Main:1] ", 3);
    assert_eq!(
        patch(&AgentLog::joined([ten.clone(), exact])),
        "3",
        "the later part, as the times cannot be compared"
    );
    assert_eq!(patch(&AgentLog::joined([log("", 4), ten])), "1");
}

#[test]
fn a_part_without_lists_leaves_the_ones_before() {
    let address = "Downloading package to x from https://h.example/glide/distribution/builds/package/mid/2015/03/09/mid.2015-03-09-2230.linux.x86-64.zip";
    let newest = AgentLog::parse(address).unwrap();
    let joined = AgentLog::joined([log("", 1), newest]);
    assert_eq!((patch(&joined).as_str(), joined.downloads().len()), ("1", 1));
    assert_eq!(AgentLog::joined([]), AgentLog::default());
}
