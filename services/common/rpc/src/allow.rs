//! Which service may call which internal method. Everything else is refused.

use imagioo_types::ServiceName::{self, Account, Billing, Gateway, Operator, Worker};

/// Calling service, called service, gRPC service.
const ALLOWED: &[(ServiceName, ServiceName, &str)] = &[
    (Gateway, Account, "imagioo.account.v1.AccountService"),
    (Gateway, Account, "imagioo.account.v1.IdentityService"),
    (Gateway, Billing, "imagioo.billing.v1.BillingService"),
    (Gateway, Billing, "imagioo.billing.v1.HoldService"),
    (Billing, Account, "imagioo.account.v1.IdentityService"),
    (Billing, Gateway, "imagioo.generation.v1.HoldResolutionService"),
    (Worker, Gateway, "imagioo.generation.v1.LeaseService"),
    (Operator, Account, "imagioo.account.v1.AccountAdminService"),
    (Operator, Billing, "imagioo.billing.v1.BillingAdminService"),
    (Operator, Gateway, "imagioo.generation.v1.GenerationAdminService"),
    (Operator, Gateway, "imagioo.generation.v1.PresetAdminService"),
    (Operator, Gateway, "imagioo.queue.v1.DeadLetterAdminService"),
];

/// Whether `caller` may call the method with this path on `callee`.
pub(crate) fn allows(caller: ServiceName, callee: ServiceName, path: &str) -> bool {
    let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    ALLOWED.contains(&(caller, callee, service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_may_take_leases_and_nothing_else() {
        assert!(allows(Worker, Gateway, "/imagioo.generation.v1.LeaseService/StartGeneration"));
        assert!(!allows(Worker, Billing, "/imagioo.billing.v1.HoldService/HoldCredits"));
        assert!(!allows(Worker, Gateway, "/imagioo.generation.v1.GenerationService/CreateGeneration"));
        assert!(!allows(Worker, Gateway, "/imagioo.generation.v1.LeaseServiceX/StartGeneration"));
    }
}
