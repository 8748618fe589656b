//! What opens, and what does not.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const HERS: Binding<'_> = Binding { purpose: "webhook secret", subject: b"ada" };

fn sealer(keys: &[&SecretString]) -> Sealer {
    let text: Vec<_> = keys.iter().map(|key| key.expose_secret()).collect();
    Sealer::new(&SealConfig { key: text.join("\n").into() }).expect("keys")
}

fn key() -> SecretString {
    new_key().expect("random")
}

fn opened(sealer: &Sealer, binding: Binding<'_>, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    sealer.open(binding, sealed).map(|value| value.expose_secret().to_vec())
}

#[test]
fn a_sealed_value_opens_and_shows_nothing_of_itself() {
    let sealer = sealer(&[&key()]);
    let sealed = sealer.seal(HERS, b"whsec_cafe").expect("sealed");
    assert_eq!(opened(&sealer, HERS, &sealed).expect("opened"), b"whsec_cafe");
    assert!(!sealed.windows(4).any(|window| window == b"cafe"));
    assert_ne!(
        sealer.seal(HERS, b"whsec_cafe").expect("sealed"),
        sealed,
        "twice the same value looks different"
    );
    assert_eq!(opened(&sealer, HERS, &sealer.seal(HERS, b"").expect("sealed")).expect("opened"), b"");
}

#[test]
fn a_value_moved_to_another_subject_or_purpose_does_not_open() {
    let sealer = sealer(&[&key()]);
    let sealed = sealer.seal(HERS, b"secret").expect("sealed");
    for elsewhere in [
        Binding { subject: b"eve", ..HERS },
        Binding { purpose: "provider key", ..HERS },
        Binding { purpose: "webhook secreta", subject: b"da" },
    ] {
        assert_eq!(opened(&sealer, elsewhere, &sealed), Err(SealError::Damaged), "{elsewhere:?}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let sealer = sealer(&[&key()]);
    let sealed = sealer.seal(HERS, b"secret").expect("sealed");
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(opened(&sealer, HERS, &changed).is_err(), "byte {at}");
        assert!(opened(&sealer, HERS, &sealed[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn after_a_rotation_the_new_key_seals_and_the_old_one_still_opens() {
    let (old, new) = (key(), key());
    let sealed = sealer(&[&old]).seal(HERS, b"secret").expect("sealed");
    let both = sealer(&[&new, &old]);
    assert_eq!(opened(&both, HERS, &sealed).expect("opened"), b"secret");
    assert!(!both.is_current(&sealed));
    let again = both.seal(HERS, b"secret").expect("sealed");
    assert!(both.is_current(&again));
    assert_eq!(opened(&sealer(&[&new]), HERS, &again).expect("opened"), b"secret");
    assert_eq!(opened(&sealer(&[&new]), HERS, &sealed), Err(SealError::UnknownKey));
}

#[test]
fn keys_that_are_none_are_refused_without_being_shown() {
    let refused = |text: &str| {
        let config = SealConfig { key: text.into() };
        let error = Sealer::new(&config).map(|_| ()).expect_err(text);
        assert!(text.trim().is_empty() || !format!("{error} {config:?}").contains(text.trim()));
        error
    };
    assert_eq!(refused(" \n"), SealError::NoKey);
    for none in ["hunter2", "c2hvcnQ=", "****"] {
        assert_eq!(refused(none), SealError::BadKey, "{none}");
    }
    let twice = key();
    assert_eq!(refused(&[twice.expose_secret(), twice.expose_secret()].join(" ")), SealError::SameKey);
}

#[test]
fn a_key_file_is_private_and_is_made_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys/seal.key");
    create_key_file(&path).expect("made");
    let first = std::fs::read_to_string(&path).expect("a key");
    create_key_file(&path).expect("there already");
    assert_eq!(std::fs::read_to_string(&path).expect("a key"), first);
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    Sealer::new(&SealConfig { key: first.into() }).expect("a usable key");
    let left: Vec<_> = std::fs::read_dir(folder.path().join("keys")).expect("listed").collect();
    assert_eq!(left.len(), 1, "nothing else is left behind");
}
