//! A small agent folder for tests.

use std::fs;
use std::path::Path;

/// The build that is installed.
pub(crate) const OLD: &str = "paris-06-24-2020__patch2-10-01-2020_10-20-2020_1602";
/// The build that is assigned.
pub(crate) const NEW: &str = "quebec-12-09-2020__patch0-hotfix2-01-08-2021_01-15-2021_1853";

/// A temporary folder that looks like an agent's.
pub(crate) struct SampleAgent {
    folder: tempfile::TempDir,
}

impl SampleAgent {
    pub(crate) fn linux() -> Self {
        Self::new("linux.x86-64", "jre/bin/java")
    }

    pub(crate) fn windows() -> Self {
        Self::new("windows.x86-64", "jre/bin/java.exe")
    }

    fn new(platform: &str, java: &str) -> Self {
        let agent = Self { folder: tempfile::tempdir().unwrap() };
        let meta = |name: &str| format!("#meta\npackage.filename={name}\n").into_bytes();
        agent.write(
            "package/meta/mid-core.meta.properties",
            &meta(&format!("mid-core.{OLD}.universal.universal.zip")),
        );
        agent.write("package/meta/mid-jre.meta.properties", &meta(&format!("mid-jre.{OLD}.{platform}.zip")));
        agent.write("properties/glide.properties", b"mid.buildstamp=10-20-2020_1602\n");
        agent.write("config.xml", b"<parameters><parameter name='name' value='mid-01'/><parameter name='mid.instance.password' secure='true' value='hunter2'/></parameters>");
        agent.write(java, b"");
        for wrapper in ["bin/wrapper-linux-x86-64", "bin/wrapper-windows-x86-64.exe"] {
            agent.write(wrapper, b"");
        }
        fs::create_dir_all(agent.path().join("package/incoming")).unwrap();
        agent
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file below the agent folder.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Puts a file into `package/incoming`.
    pub(crate) fn incoming(&self, name: &str, bytes: &[u8]) {
        self.write(&format!("package/incoming/{name}"), bytes);
    }

    /// Writes a log that assigns packages; `NEW` and `OLD` stand for the build stamps, `.zip` is appended.
    pub(crate) fn log(&self, assigned: &[&str]) {
        let names: Vec<String> = assigned
            .iter()
            .map(|name| format!("{}.zip", name.replace("NEW", NEW).replace("OLD", OLD)))
            .collect();
        let lists = format!(
            "2026-06-03T09:46:18.163-0400 INFO  (AutoUpgrade.3600) [AutoUpgrade:292] Current packages:\n  Installed: [mid-core.{OLD}.universal.universal.zip]\n  Assigned: [{0}]\n  Missing: [{0}]\n  Downloaded: []\n",
            names.join(", ")
        );
        self.write("logs/agent0.log.0", lists.as_bytes());
    }
}
