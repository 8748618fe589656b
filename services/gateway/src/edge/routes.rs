//! Which public method goes where, and what credentials it needs. What is not listed does not exist.

use imagioo_rpc::{Code, RpcError};

use crate::openai;

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The gateway itself.
    Here,
    Account,
    Billing,
    AccountAdmin,
    BillingAdmin,
}

/// What credentials a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// None; nothing secret is shown.
    Open,
    /// None yet: the call is how one gets them. Limited by address.
    Credentials,
    /// A user's access token or API key.
    User,
    /// The operator's service token.
    Operator,
}

/// The way of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) target: Target,
    pub(super) access: Access,
}

const SERVICES: &[(&str, Target, Access)] = &[
    ("grpc.health.v1.Health", Target::Here, Access::Open),
    ("grpc.reflection.v1.ServerReflection", Target::Here, Access::Open),
    ("grpc.reflection.v1alpha.ServerReflection", Target::Here, Access::Open),
    ("imagioo.generation.v1.GenerationService", Target::Here, Access::User),
    ("imagioo.generation.v1.ImageService", Target::Here, Access::User),
    ("imagioo.generation.v1.ModelService", Target::Here, Access::User),
    ("imagioo.generation.v1.PresetService", Target::Here, Access::User),
    ("imagioo.generation.v1.ProviderKeyService", Target::Here, Access::User),
    ("imagioo.generation.v1.PresetAdminService", Target::Here, Access::Operator),
    ("imagioo.generation.v1.WebhookService", Target::Here, Access::User),
    ("imagioo.generation.v1.GenerationAdminService", Target::Here, Access::Operator),
    ("imagioo.queue.v1.DeadLetterAdminService", Target::Here, Access::Operator),
    ("imagioo.account.v1.AccountService", Target::Account, Access::User),
    ("imagioo.account.v1.AccountAdminService", Target::AccountAdmin, Access::Operator),
    ("imagioo.billing.v1.BillingService", Target::Billing, Access::User),
    ("imagioo.billing.v1.BillingAdminService", Target::BillingAdmin, Access::Operator),
];

/// Methods of [`SERVICES`] by which a caller gets or gives up credentials.
const CREDENTIAL_METHODS: &[&str] = &[
    "/imagioo.account.v1.AccountService/SignUp",
    "/imagioo.account.v1.AccountService/SignIn",
    "/imagioo.account.v1.AccountService/RefreshSession",
    "/imagioo.account.v1.AccountService/SignOut",
];

/// The services that everybody is told about: those for users, wherever they are. Operators know theirs.
pub(crate) fn told() -> Vec<&'static str> {
    SERVICES.iter().filter(|(_, _, access)| *access == Access::User).map(|(name, _, _)| *name).collect()
}

impl Route {
    /// The way of the call with this path.
    pub(super) fn of(path: &str) -> Result<Self, RpcError> {
        if openai::serves(path) {
            return Ok(Self { target: Target::Here, access: Access::User });
        }
        let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let found = SERVICES.iter().find(|(name, _, _)| *name == service);
        let (_, target, access) = found
            .copied()
            .ok_or_else(|| RpcError::new(Code::Unimplemented, "there is no such method at this address"))?;
        let access = if CREDENTIAL_METHODS.contains(&path) { Access::Credentials } else { access };
        Ok(Self { target, access })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_services_do_not_exist_at_the_edge() {
        for path in [
            "/imagioo.generation.v1.LeaseService/StartGeneration",
            "/imagioo.generation.v1.HoldResolutionService/ResolveHold",
            "/imagioo.billing.v1.HoldService/HoldCredits",
            "/imagioo.account.v1.IdentityService/ExchangeApiKey",
        ] {
            assert_eq!(Route::of(path).expect_err("hidden").code(), Code::Unimplemented);
        }
    }

    #[test]
    fn only_sign_up_and_its_like_need_no_credentials() {
        let access = |path: &str| Route::of(path).expect("listed").access;
        assert_eq!(access("/imagioo.account.v1.AccountService/SignUp"), Access::Credentials);
        assert_eq!(access("/imagioo.account.v1.AccountService/CreateApiKey"), Access::User);
        assert_eq!(access("/imagioo.account.v1.AccountService/SignUp/"), Access::User);
        assert_eq!(access("/imagioo.billing.v1.BillingAdminService/CheckBilling"), Access::Operator);
    }
}
