//! The parameters of `config.xml` that staging needs. Others, passwords above all, are never read.
//!
//! | attack or damage | defence |
//! | --- | --- |
//! | entity expansion, outside entities | a document type declaration is refused by the parser |
//! | parameters in comments taken for real ones | an XML parser, not a text search |
//! | secrets in messages | only the listed names are read, never one marked `secure` or `encrypt`; messages carry no value |

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;
use url::Url;

/// What `config.xml` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct AgentConfig {
    /// Address of the instance, without user name, password and query. Absent if it is the stock placeholder.
    pub instance_url: Option<String>,
    /// Name of the MID Server. Absent if it is the stock placeholder.
    pub name: Option<String>,
    /// `mid_sys_id`: identity of the MID Server's record on the instance.
    pub sys_id: Option<String>,
    /// `mid.pinned.version`: the build this MID Server is held at.
    pub pinned_version: Option<String>,
    /// `mid.upgrade.run_precheck`: whether the agent runs the check that needs to reach a server.
    pub run_precheck: Option<bool>,
}

/// `config.xml` cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not UTF-8.
    #[error("config.xml is not UTF-8 text")]
    Encoding {
        /// Where it is not.
        source: std::str::Utf8Error,
    },
    /// Not well-formed XML.
    #[error("config.xml is not well-formed")]
    Xml {
        /// What the parser says.
        source: roxmltree::Error,
    },
    /// The root element is another.
    #[error("config.xml does not begin with <parameters>")]
    Root,
}

impl AgentConfig {
    /// Parses the bytes of a `config.xml`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let text = std::str::from_utf8(bytes).map_err(|source| ConfigError::Encoding { source })?;
        let text = text.trim_start_matches('\u{feff}');
        let document = roxmltree::Document::parse(text).map_err(|source| ConfigError::Xml { source })?;
        let root = document.root_element();
        if !root.has_tag_name("parameters") {
            return Err(ConfigError::Root);
        }
        let mut config = Self::default();
        for parameter in root.children().filter(|node| node.has_tag_name("parameter")) {
            if SECRET_MARKS.iter().any(|mark| parameter.has_attribute(*mark)) {
                continue;
            }
            let (Some(name), Some(value)) = (parameter.attribute("name"), parameter.attribute("value"))
            else {
                continue;
            };
            let value = value.trim();
            if !value.is_empty() && value.len() <= MAX_VALUE && !value.contains(char::is_control) {
                config.set(name, value);
            }
        }
        Ok(config)
    }

    fn set(&mut self, name: &str, value: &str) {
        match name {
            "url" if !value.contains("YOUR_INSTANCE") => self.instance_url = without_credentials(value),
            "name" if value != "YOUR_MIDSERVER_NAME_GOES_HERE" => self.name = Some(value.to_owned()),
            "mid_sys_id" => self.sys_id = Some(value.to_owned()),
            "mid.pinned.version" => self.pinned_version = Some(value.to_owned()),
            "mid.upgrade.run_precheck" => self.run_precheck = value.to_ascii_lowercase().parse().ok(),
            _ => {}
        }
    }
}

fn without_credentials(value: &str) -> Option<String> {
    let mut url = Url::parse(value).ok()?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url.into())
}

const SECRET_MARKS: [&str; 2] = ["secure", "encrypt"];

/// No parameter that we read is longer.
const MAX_VALUE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_parameters_are_read_and_comments_and_secrets_are_not() {
        let config = AgentConfig::parse(
            br#"<?xml version="1.0" encoding="UTF-8"?>
<parameters>
  <parameter name="url" value="https://user:hunter2@dev1.example.com/?x=1"/>
  <parameter name="mid.instance.password" value="hunter2"/>
  <parameter name="mid_sys_id" secure="true" value="hunter2"/>
  <parameter name="name" value=" mid-01 "/>
  <!-- <parameter name="mid.pinned.version" value="zurich"/> -->
  <parameter name="mid.upgrade.run_precheck" value="FALSE"/>
  <other name="name" value="wrong"/>
</parameters>"#,
        )
        .unwrap();
        assert_eq!(config.instance_url.as_deref(), Some("https://dev1.example.com/"));
        assert_eq!(config.name.as_deref(), Some("mid-01"));
        assert_eq!((config.pinned_version.clone(), config.run_precheck), (None, Some(false)));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn stock_placeholders_are_not_values() {
        let config = AgentConfig::parse(
            b"<parameters><parameter name='url' value='https://YOUR_INSTANCE.service-now.com/'/><parameter name='name' value='YOUR_MIDSERVER_NAME_GOES_HERE'/><parameter name='mid_sys_id' value=''/></parameters>",
        )
        .unwrap();
        assert_eq!(config, AgentConfig::default());
    }

    #[test]
    fn broken_and_hostile_documents_are_refused() {
        let bomb =
            b"<!DOCTYPE x [<!ENTITY a 'b'>]><parameters><parameter name='name' value='&a;'/></parameters>";
        assert!(matches!(AgentConfig::parse(bomb), Err(ConfigError::Xml { .. })));
        assert!(matches!(AgentConfig::parse(b"<parameters>"), Err(ConfigError::Xml { .. })));
        assert!(matches!(AgentConfig::parse(b"\xff\xfe"), Err(ConfigError::Encoding { .. })));
        assert!(matches!(AgentConfig::parse(b"<x/>"), Err(ConfigError::Root)));
    }
}
