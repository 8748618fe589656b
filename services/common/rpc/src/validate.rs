//! The rules written in the `.proto` files, applied where a request enters.

use imagioo_proto::Validate;

use crate::{Code, RpcError};

/// The message, if it keeps every rule of its `.proto` file.
///
/// # Errors
/// [`Code::InvalidArgument`] naming each field that breaks a rule.
pub fn validated<T: Validate>(message: T) -> Result<T, RpcError> {
    let Err(broken) = message.validate() else { return Ok(message) };
    let error = RpcError::new(Code::InvalidArgument, "the request has invalid fields");
    Err(broken
        .violations()
        .iter()
        .fold(error, |error, violation| error.field(violation.field_path(), violation.message())))
}

#[cfg(test)]
mod tests {
    use imagioo_proto::account::v1::SignUpRequest;

    use super::*;

    #[test]
    fn each_broken_rule_is_named() {
        let request = SignUpRequest { email: "nobody".into(), password: "short".into() };
        let error = validated(request).expect_err("both fields are wrong");
        let fields: Vec<_> = error.violations().iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(fields, ["email", "password"]);
    }
}
