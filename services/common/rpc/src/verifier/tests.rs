use imagioo_types::{Credential, ManualClock, SessionId, UserId};
use time::OffsetDateTime;

use super::*;
use crate::access::AccessSigner;
use crate::{Revocation, Subject, keys};

struct World {
    signer: AccessSigner,
    clock: ManualClock,
    revocations: Revocations,
    verifier: AccessVerifier,
}

fn world() -> World {
    let signer = AccessSigner::from_pkcs8(&keys::new_pkcs8().expect("key")).expect("signer");
    let clock = ManualClock::at(OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
    let revocations = Revocations::authoritative();
    let verifier = AccessVerifier::local(&signer.jwks(), revocations.clone(), Arc::new(clock.clone()))
        .expect("verifier");
    World { signer, clock, revocations, verifier }
}

fn identity(clock: &ManualClock) -> Identity {
    Identity {
        user: UserId::generate(),
        credential: Credential::Session(SessionId::generate()),
        issued_at: clock.now(),
        expires_at: clock.now() + time::Duration::minutes(5),
    }
}

#[tokio::test]
async fn a_signed_token_names_its_user_until_its_time_is_over() {
    let world = world();
    let someone = identity(&world.clock);
    let token = world.signer.sign(&AccessClaims::of(&someone)).expect("token");
    assert_eq!(world.verifier.verify(&token, Effect::Change).await.expect("valid"), someone);
    world.clock.advance(time::Duration::minutes(6));
    let late = world.verifier.verify(&token, Effect::Read).await.expect_err("past its time");
    assert_eq!(late.code(), Code::TokenExpired);
}

#[tokio::test]
async fn a_revoked_session_is_refused_although_its_token_was_cached() {
    let world = world();
    let someone = identity(&world.clock);
    let token = world.signer.sign(&AccessClaims::of(&someone)).expect("token");
    world.verifier.verify(&token, Effect::Change).await.expect("valid");
    let Credential::Session(session) = someone.credential else { panic!("a session") };
    world.revocations.add(Revocation { subject: Subject::Session(session), revoked_at: world.clock.now() });
    let refused = world.verifier.verify(&token, Effect::Read).await.expect_err("revoked");
    assert_eq!(refused.code(), Code::TokenRevoked);
}

#[tokio::test]
async fn foreign_tampered_and_unsigned_tokens_are_refused() {
    let ours = world();
    let theirs = world();
    let someone = identity(&ours.clock);
    let foreign = theirs.signer.sign(&AccessClaims::of(&someone)).expect("token");
    let good = ours.signer.sign(&AccessClaims::of(&someone)).expect("token");
    let mut wrong = AccessClaims::of(&someone);
    wrong.aud = "somebody-else".to_owned();
    let other_audience = ours.signer.sign(&wrong).expect("token");
    let (head, rest) = good.split_once('.').expect("three parts");
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}", rest.split('.').next().expect("claims"));
    for token in [foreign, other_audience, format!("{head}.{rest}x"), unsigned, "rubbish".to_owned()] {
        let refused = ours.verifier.verify(&token, Effect::Read).await.expect_err("not ours");
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
}

#[test]
fn reading_verbs_read_and_all_others_change() {
    assert_eq!(Effect::of_path("/imagioo.generation.v1.GenerationService/GetGeneration"), Effect::Read);
    assert_eq!(Effect::of_path("/imagioo.generation.v1.GenerationService/CreateGeneration"), Effect::Change);
    assert_eq!(Effect::of_path("/imagioo.account.v1.AccountService/RevokeApiKey"), Effect::Change);
}
