//! What a layered configuration promises.

use std::fs;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use toml::toml;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    listen: String,
    database: Database,
    #[serde(default)]
    providers: std::collections::BTreeMap<String, Provider>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    url: SecretString,
    max_connections: u32,
    ca_file: PathBuf,
    #[serde(default)]
    hosts: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    api_key: RequiredSecret,
}

const DEFAULTS: &str = r#"
listen = "127.0.0.1:1"
[database]
url = ""
max_connections = 10
ca_file = "/etc/ca.pem"
[telemetry]
format = "json"
"#;

fn variables<'a>(given: &'a [(&str, &str)]) -> impl Iterator<Item = (String, String)> + 'a {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

fn sample(overrides: toml::Table) -> Result<Settings, ConfigError> {
    Settings::from_parts("billing", DEFAULTS, overrides)
}

fn message(error: &ConfigError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause}")
}

#[test]
fn later_layers_win_key_by_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("billing.toml");
    fs::write(&file, "listen = \"0.0.0.0:2\"\n[database]\nmax_connections = 20\n").expect("written");
    let read: Sample = sample(toml::Table::new())
        .and_then(|settings| settings.with_file(&file))
        .and_then(|settings| {
            settings.with_variables(variables(&[
                ("IMAGIOO_BILLING__DATABASE__MAX_CONNECTIONS", "30"),
                ("IMAGIOO_BILLING__DATABASE__URL", "007"),
                ("IMAGIOO_BILLING__DATABASE__HOSTS", r#"["a", "b"]"#),
                ("IMAGIOO_GATEWAY__LISTEN", "not ours"),
            ]))
        })
        .and_then(|settings| settings.read())
        .expect("valid settings");
    assert_eq!(read.listen, "0.0.0.0:2");
    assert_eq!(read.database.max_connections, 30);
    assert_eq!(read.database.url.expose_secret(), "007");
    assert_eq!(read.database.hosts, ["a", "b"]);
}

#[test]
fn a_value_may_come_from_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("url");
    fs::write(&file, "postgres://there \n").expect("written");
    let path = file.display().to_string();
    let read: Sample = sample(toml! { [providers.one] api_key_file = (path.clone()) })
        .and_then(|settings| {
            settings.with_variables(variables(&[("IMAGIOO_BILLING__DATABASE__URL_FILE", &path)]))
        })
        .and_then(|settings| settings.read())
        .expect("valid settings");
    assert_eq!(read.database.url.expose_secret(), "postgres://there");
    assert_eq!(read.providers["one"].api_key.expose_secret(), "postgres://there");
    assert_eq!(read.database.ca_file, PathBuf::from("/etc/ca.pem"), "a declared path stays a path");
}

#[test]
fn a_later_plain_value_replaces_an_earlier_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("url");
    fs::write(&file, "from the file").expect("written");
    let path = file.display().to_string();
    let read: Sample = sample(toml! { [database] url_file = path })
        .and_then(|settings| {
            settings.with_variables(variables(&[("IMAGIOO_BILLING__DATABASE__URL", "plain")]))
        })
        .and_then(|settings| settings.read())
        .expect("valid settings");
    assert_eq!(read.database.url.expose_secret(), "plain");
}

#[test]
fn a_value_and_its_file_in_one_place_are_refused() {
    let error = sample(toml! { [database] url = "a" url_file = "/dev/null" });
    assert!(matches!(error, Err(ConfigError::ValueAndFile { key }) if key == "url"));
}

#[test]
fn a_missing_value_file_names_key_and_path() {
    let error = sample(toml! { [database] url_file = "/nowhere/url" }).expect_err("the file is missing");
    assert!(message(&error).contains("/nowhere/url"), "{error}");
    assert!(message(&error).contains("`url`"), "{error}");
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for overrides in [toml! { lissten = "x" }, toml! { [database] urll = "x" }] {
        let error = sample(overrides).and_then(|settings| settings.read::<Sample>());
        let error = message(&error.expect_err("the key is unknown"));
        assert!(
            error.contains("unknown field") && (error.contains("lissten") || error.contains("urll")),
            "{error}"
        );
    }
    let error = sample(toml::Table::new())
        .and_then(|settings| settings.with_variables(variables(&[("IMAGIOO_BILLING__NEW", "1")])))
        .and_then(|settings| settings.read::<Sample>());
    assert!(error.is_err());
}

#[test]
fn a_misfit_value_names_its_key() {
    let error = sample(toml! { [database] max_connections = "many" })
        .and_then(|settings| settings.read::<Sample>())
        .expect_err("not a number");
    assert!(message(&error).contains("max_connections"), "{}", message(&error));
}

#[test]
fn an_empty_required_secret_is_refused() {
    let error = sample(toml! { [providers.one] api_key = " " })
        .and_then(|settings| settings.read::<Sample>())
        .expect_err("the secret is empty");
    assert!(message(&error).contains("secret is empty"), "{}", message(&error));
}

#[test]
fn the_sections_of_the_runtime_stay_with_the_runtime() {
    let settings = sample(toml! { [shutdown] grace_seconds = 3 }).expect("valid settings");
    assert!(settings.read::<Sample>().is_ok());
    let shutdown = settings.section::<crate::shutdown::ShutdownConfig>("shutdown").expect("valid section");
    assert_eq!(shutdown.grace_seconds, 3);
}

#[test]
fn a_malformed_file_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("broken.toml");
    fs::write(&file, "listen = ").expect("written");
    let error = sample(toml::Table::new()).and_then(|settings| settings.with_file(&file));
    assert!(message(&error.expect_err("broken")).contains("broken.toml"));
}

#[test]
fn secrets_do_not_print() {
    let settings = sample(toml! { [database] url = "postgres://secret" }).expect("valid settings");
    let read: Sample = settings.read().expect("valid settings");
    assert!(!format!("{read:?}").contains("secret@") && !format!("{read:?}").contains("postgres://"));
    assert!(!format!("{settings:?}").contains("postgres://secret"), "settings print their service only");
}
