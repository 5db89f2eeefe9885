//! The generated cases and what `jarsigner` answered: from the archives in `fixtures/conformance`, or from a folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use midmirror_verify::Jdk;
use tempfile::TempDir;

/// The three runs of each case: `-verify`, with `-strict`, and with `-verbose -certs -strict`.
pub(super) const RUNS: [&str; 3] = ["plain", "strict", "full"];

/// A folder of cases in the form that their generator gives it.
pub(super) struct Corpus {
    folder: PathBuf,
    recorded_at: Timestamp,
    jdk: Jdk,
    cases: Vec<Case>,
    _unpacked: Option<TempDir>,
}

/// A line of `cases.tsv`.
pub(super) struct Case {
    pub(super) name: String,
    /// Name of a key store in `trust`; `None` if none was given.
    pub(super) trust: Option<String>,
    /// Aliases and options beyond those of the run.
    pub(super) extra: String,
}

/// What was asked and answered in one run of one case.
pub(super) struct Run {
    pub(super) args: Vec<String>,
    pub(super) stdout: String,
    pub(super) exit_code: u8,
}

/// An answer of a JDK of which only this much is kept.
pub(super) struct ShortAnswer {
    pub(super) case: String,
    pub(super) run: String,
    pub(super) jdk: Jdk,
    pub(super) exit_code: u8,
    pub(super) sentence: String,
}

/// The folder of the committed material.
pub(super) fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/conformance")
}

/// What the JDKs said with the authorities of a case as their own.
pub(super) fn answers_with_own_roots() -> Vec<ShortAnswer> {
    let table = fs::read_to_string(committed().join("own-roots.tsv")).unwrap();
    let answer = |line: &str| match line.split('\t').collect::<Vec<_>>()[..] {
        [case, run, jdk, exit, sentence] => ShortAnswer {
            case: case.to_owned(),
            run: run.to_owned(),
            jdk: Jdk::of_version(jdk).unwrap(),
            exit_code: exit.parse().unwrap(),
            sentence: sentence.to_owned(),
        },
        _ => panic!("own-roots.tsv: {line:?} has not five columns"),
    };
    table.lines().skip(1).map(answer).collect()
}

/// Unpacks committed archives, one over the other, into a temporary folder.
pub(super) fn unpacked(archives: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for archive in archives {
        let file = File::open(committed().join(archive)).unwrap();
        zip::ZipArchive::new(file).unwrap().extract(folder.path()).unwrap();
    }
    folder
}

/// The JDK that says so of itself. An unknown one fails the test: nobody has compared it.
pub(super) fn of_version_text(text: &str) -> Jdk {
    let version = text.split('"').nth(1).unwrap_or(text);
    let known = Jdk::ALL.map(Jdk::name).join(", ");
    Jdk::of_version(version)
        .unwrap_or_else(|| panic!("there is no profile of JDK {version}; known are {known}"))
}

impl Corpus {
    /// Unpacks the committed archives.
    pub(super) fn committed(jdk: Jdk) -> Self {
        // The arguments of the runs come with the first record; the answers of another JDK take the place of its answers.
        let unpacked = unpacked(&["corpus.zip", "expected-17.0.15.zip", &format!("expected-{jdk}.zip")]);
        Self::read(unpacked.path().to_owned(), Some(unpacked))
    }

    /// The folder that `MIDMIRROR_CORPUS` names.
    pub(super) fn of_environment() -> Option<Self> {
        std::env::var_os("MIDMIRROR_CORPUS").map(|folder| Self::read(folder.into(), None))
    }

    fn read(folder: PathBuf, unpacked: Option<TempDir>) -> Self {
        let jdk = folder.join("expected/JDK");
        // Some cases depend on the day: what counts as now is the time of the recording.
        let recorded_at = match fs::read_to_string(folder.join("expected/RECORDED-AT")) {
            Ok(text) => text.trim().parse().unwrap(),
            Err(_) => Timestamp::try_from(fs::metadata(&jdk).unwrap().modified().unwrap()).unwrap(),
        };
        let cases = fs::read_to_string(folder.join("cases.tsv")).unwrap();
        Self {
            recorded_at,
            jdk: of_version_text(&fs::read_to_string(jdk).unwrap()),
            cases: cases.lines().map(Case::parse).collect(),
            folder,
            _unpacked: unpacked,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The moment at which certificates are judged.
    pub(super) fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// The JDK that answered.
    pub(super) fn jdk(&self) -> Jdk {
        self.jdk
    }

    pub(super) fn run(&self, case: &str, run: &str) -> Run {
        let read = |what: &str| {
            let file = self.folder.join("expected").join(format!("{case}.{run}.{what}"));
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        };
        Run {
            args: read("args").lines().map(str::to_owned).collect(),
            stdout: read("stdout"),
            exit_code: read("exit").trim().parse().unwrap(),
        }
    }
}

impl Case {
    fn parse(line: &str) -> Self {
        match line.split('\t').collect::<Vec<_>>()[..] {
            [name, _stability, trust, extra, _what] => Self {
                name: name.to_owned(),
                trust: (trust != "-").then(|| trust.to_owned()),
                extra: extra.to_owned(),
            },
            _ => panic!("cases.tsv: {line:?} has not five columns"),
        }
    }
}
