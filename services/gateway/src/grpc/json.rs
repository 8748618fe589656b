//! TOML tables as `google.protobuf.Struct`.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

/// A table. Dates become texts; whole numbers are exact up to 2^53.
pub(super) fn object(table: &toml::Table) -> Struct {
    let fields = table.iter().map(|(name, found)| (name.clone(), value(found)));
    Struct { fields: fields.collect() }
}

#[expect(clippy::cast_precision_loss, reason = "what a catalogue writes is small")]
fn value(value: &toml::Value) -> Value {
    let kind = match value {
        toml::Value::String(text) => Kind::StringValue(text.clone()),
        toml::Value::Integer(number) => Kind::NumberValue(*number as f64),
        toml::Value::Float(number) => Kind::NumberValue(*number),
        toml::Value::Boolean(flag) => Kind::BoolValue(*flag),
        toml::Value::Datetime(date) => Kind::StringValue(date.to_string()),
        toml::Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(self::value).collect() })
        }
        toml::Value::Table(table) => Kind::StructValue(object(table)),
    };
    Value { kind: Some(kind) }
}
