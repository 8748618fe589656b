//! Balances and statements.

use imagioo_proto::billing::v1 as wire;
use serde::Serialize;

use super::{text, word};
use crate::when;

/// A balance, in credits.
#[derive(Debug, Serialize)]
pub(crate) struct BalanceAnswer {
    pub(crate) available: i64,
    pub(crate) reserved: i64,
    pub(crate) debt: i64,
    /// The statement, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entries: Option<Vec<EntryAnswer>>,
}

impl From<wire::Balance> for BalanceAnswer {
    fn from(balance: wire::Balance) -> Self {
        Self { available: balance.available, reserved: balance.reserved, debt: balance.debt, entries: None }
    }
}

/// One line of a statement.
#[derive(Debug, Serialize)]
pub(crate) struct EntryAnswer {
    name: String,
    kind: String,
    available_change: i64,
    reserved_change: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    create_time: Option<String>,
    effective_time: Option<String>,
}

/// Why a balance changed, as a word.
pub(crate) fn kind(entry: &wire::StatementEntry) -> String {
    word(entry.kind().as_str_name(), "ENTRY_KIND_")
}

impl From<&wire::StatementEntry> for EntryAnswer {
    fn from(entry: &wire::StatementEntry) -> Self {
        Self {
            name: entry.name.clone(),
            kind: kind(entry),
            available_change: entry.available_change,
            reserved_change: entry.reserved_change,
            generation: text(&entry.generation),
            source: text(&entry.source),
            create_time: when::exact(entry.create_time.as_ref()),
            effective_time: when::exact(entry.effective_time.as_ref()),
        }
    }
}
