//! Databases on a server, their roles, and the addresses by which services reach them.

use std::collections::BTreeMap;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use super::PostgresError;
use super::cluster::SUPERUSER;

/// The owners of schemas. Each has the roles `imagioo_<owner>_migrator` and `imagioo_<owner>`.
pub const SERVICE_OWNERS: [&str; 3] = ["account", "billing", "generation"];
/// The role that may move the clocks of the schemas.
const TEST_ROLE: &str = "imagioo_test";
/// The roles of every owner; safe to repeat.
const ROLES: &str = include_str!("../../../../../migrations/roles.sql");
/// The advisory lock that serialises set-ups on one server.
const SET_UP_LOCK: i64 = 0x696d_6167_696f;

/// The passwords of the roles that may log in, by role.
#[derive(Debug, Clone)]
pub struct RolePasswords(BTreeMap<String, SecretString>);

impl RolePasswords {
    /// A new random password for each role of a service and its migrator.
    #[must_use]
    pub fn generate() -> Self {
        Self(service_roles().map(|role| (role, generate_password())).collect())
    }

    /// The same password for each role, the test role included: for servers of tests only.
    #[must_use]
    pub fn for_tests(password: &SecretString) -> Self {
        let roles = service_roles().chain([TEST_ROLE.to_owned()]);
        Self(roles.map(|role| (role, password.clone())).collect())
    }
}

fn service_roles() -> impl Iterator<Item = String> {
    SERVICE_OWNERS.iter().flat_map(|owner| [format!("imagioo_{owner}_migrator"), format!("imagioo_{owner}")])
}

/// A database and the addresses of its roles.
#[derive(Debug, Clone)]
pub struct Access {
    admin: SecretString,
    database: String,
    passwords: RolePasswords,
}

impl Access {
    /// The roles of a database that [`prepare_database`] prepared with these passwords, or a copy of it.
    #[must_use]
    pub fn new(admin: SecretString, database: &str, passwords: RolePasswords) -> Self {
        Self { admin, database: database.to_owned(), passwords }
    }

    /// The address for a service: role `imagioo_<owner>`.
    ///
    /// # Errors
    /// [`PostgresError::Address`] for an owner that has no schema.
    pub fn service_url(&self, owner: &str) -> Result<SecretString, PostgresError> {
        self.url(&format!("imagioo_{owner}"))
    }

    /// The address for an owner's migrations: role `imagioo_<owner>_migrator`.
    ///
    /// # Errors
    /// [`PostgresError::Address`] for an owner that has no schema.
    pub fn migrator_url(&self, owner: &str) -> Result<SecretString, PostgresError> {
        self.url(&format!("imagioo_{owner}_migrator"))
    }

    /// The address for the role that moves clocks.
    ///
    /// # Errors
    /// [`PostgresError::Address`] outside tests, where that role has no password.
    pub fn test_url(&self) -> Result<SecretString, PostgresError> {
        self.url(TEST_ROLE)
    }

    /// The superuser's address of this database: for tools, never for a service.
    ///
    /// # Errors
    /// [`PostgresError::Address`] when the server's address is malformed.
    pub fn admin_url(&self) -> Result<SecretString, PostgresError> {
        let mut url = parse(&self.admin)?;
        url.set_path(&self.database);
        Ok(String::from(url).into())
    }

    fn url(&self, role: &str) -> Result<SecretString, PostgresError> {
        let password = self.passwords.0.get(role).ok_or(PostgresError::Address)?;
        address(&self.admin, role, password, &self.database)
    }
}

/// Creates the database if it is missing on the server that `admin` (a superuser's address) names, creates
/// the roles, and sets their passwords.
///
/// # Errors
/// [`PostgresError`] when the name is unusable or the server refuses.
pub async fn prepare_database(
    admin: &SecretString,
    name: &str,
    passwords: &RolePasswords,
) -> Result<Access, PostgresError> {
    require_plain(name)?;
    let options = PgConnectOptions::from_str(admin.expose_secret()).map_err(|_| PostgresError::Address)?;
    let mut server = connect(&options).await?;
    sqlx::query("select pg_advisory_lock($1)")
        .bind(SET_UP_LOCK)
        .execute(&mut server)
        .await
        .map_err(PostgresError::statement("wait for another set-up"))?;
    create(&mut server, name).await?;
    let mut database = connect(&options.database(name)).await?;
    run(&mut database, "create the roles", format!("set client_min_messages = warning; {ROLES}")).await?;
    run(&mut database, "set the roles' passwords", password_statements(passwords)).await?;
    // Closing ends the session and with it the lock; a server that closes first does the same.
    drop(database.close().await);
    drop(server.close().await);
    Ok(Access::new(admin.clone(), name, passwords.clone()))
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, PostgresError> {
    PgConnection::connect_with(options).await.map_err(PostgresError::statement("connect as superuser"))
}

async fn create(server: &mut PgConnection, name: &str) -> Result<(), PostgresError> {
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(&mut *server)
        .await
        .map_err(PostgresError::statement("look for the database"))?;
    if exists { Ok(()) } else { run(server, "create the database", format!("create database {name}")).await }
}

/// Runs a script that was assembled from constants, plain names and generated passwords only.
async fn run(
    connection: &mut PgConnection,
    action: &'static str,
    script: String,
) -> Result<(), PostgresError> {
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(connection)
        .await
        .map_err(PostgresError::statement(action))?;
    Ok(())
}

fn password_statements(passwords: &RolePasswords) -> String {
    let statement = |(role, password): (&String, &SecretString)| {
        let quoted = password.expose_secret().replace('\'', "''");
        format!("alter role {role} password '{quoted}';\n")
    };
    passwords.0.iter().map(statement).collect()
}

/// Plain names need no quotes anywhere.
fn require_plain(name: &str) -> Result<(), PostgresError> {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && name.len() <= 63;
    if plain { Ok(()) } else { Err(PostgresError::DatabaseName { name: name.to_owned() }) }
}

/// 256 random bits as hexadecimal digits.
pub(super) fn generate_password() -> SecretString {
    let bits: [u8; 32] = rand::random();
    bits.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// The superuser's address of a private server. Loopback needs no TLS.
pub(super) fn admin_url(port: u16, password: &SecretString) -> SecretString {
    let password = password.expose_secret();
    format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres?sslmode=disable").into()
}

fn address(
    admin: &SecretString,
    role: &str,
    password: &SecretString,
    database: &str,
) -> Result<SecretString, PostgresError> {
    let mut url = parse(admin)?;
    url.set_username(role).map_err(|()| PostgresError::Address)?;
    url.set_password(Some(password.expose_secret())).map_err(|()| PostgresError::Address)?;
    url.set_path(database);
    Ok(String::from(url).into())
}

fn parse(admin: &SecretString) -> Result<Url, PostgresError> {
    Url::parse(admin.expose_secret()).map_err(|_| PostgresError::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_own_address() {
        let access = Access {
            admin: admin_url(5555, &"super".into()),
            database: String::from("imagioo"),
            passwords: RolePasswords::generate(),
        };
        let service = access.service_url("billing").expect("known");
        let migrator = access.migrator_url("billing").expect("known");
        assert!(service.expose_secret().starts_with("postgres://imagioo_billing:"));
        assert!(service.expose_secret().ends_with("@127.0.0.1:5555/imagioo?sslmode=disable"));
        assert_ne!(service.expose_secret(), migrator.expose_secret());
        assert!(access.service_url("nobody").is_err());
        assert!(access.test_url().is_err(), "only tests may move clocks");
    }

    #[test]
    fn a_database_name_needs_no_quotes() {
        for name in ["imagioo", "imagioo_2"] {
            assert!(require_plain(name).is_ok(), "{name}");
        }
        for name in ["", "Imagioo", "2", "a-b", "a;drop", "a\"b"] {
            assert!(require_plain(name).is_err(), "{name}");
        }
    }
}
