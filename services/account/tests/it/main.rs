//! The account service over a real connection and a real PostgreSQL.

mod accounts;
mod api_keys;
mod app;
mod deny_list;
mod isolation;
mod logs;
mod sessions;
mod sign_in;
