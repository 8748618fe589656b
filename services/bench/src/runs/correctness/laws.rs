//! What must be true when everything has ended.

use std::collections::{HashMap, HashSet};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use imagioo_proto::generation::v1::{Generation, GenerationState};
use imagioo_stack::User;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::{Receipt, VICTIMS, Verdict};
use crate::place::{CREDITS, Place};
use crate::sink::Objects;

/// How long everything may take to end.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(500);
/// What `imagioo admin check --json` prints at rest.
const AT_REST: &str = r#"{"open_holds":0,"conservation":0,"non_terminal":0,"outbox":0}"#;

type Hashes = HashMap<String, Vec<[u8; 32]>>;

/// Waits until all is at rest, and looks at every user.
pub(super) async fn judge(
    place: &Place,
    users: &[User],
    objects: &Objects,
    receipts: &[Receipt],
) -> anyhow::Result<Verdict> {
    let mut broken = Vec::new();
    for user in users {
        if let Err(error) = user.all_ended(PATIENCE).await {
            broken.push(format!("{error:#}"));
        }
    }
    broken.extend(at_rest(place).await?);
    let (hashes, mut succeeded) = (objects.hashes(), 0);
    for (index, user) in users.iter().enumerate() {
        let all = user.generations().await?;
        let balance = user.balance().await?;
        let charged: i64 = all.iter().map(|generation| generation.charge).sum();
        if (balance.available, balance.reserved) != (CREDITS - charged, 0) {
            broken.push(format!("user {index} was charged {charged} but has {balance:?}"));
        }
        let accepted = receipts.iter().filter(|(place, _)| *place == index).map(|(_, name)| name.as_str());
        broken.extend(all_there(accepted.collect(), &all).map(|law| format!("user {index}: {law}")));
        broken.extend(all.iter().filter_map(|generation| broken_law(generation, &hashes)));
        succeeded += all.iter().filter(|generation| generation.state() == GenerationState::Succeeded).count();
    }
    Ok(Verdict { accepted: receipts.len(), succeeded, killed: VICTIMS, broken })
}

/// What was accepted exists, and nothing else.
fn all_there(accepted: Vec<&str>, all: &[Generation]) -> Option<String> {
    let listed: HashSet<_> = all.iter().map(|generation| generation.name.as_str()).collect();
    let lost = accepted.iter().filter(|name| !listed.contains(*name)).count();
    let same = accepted.len() == all.len() && lost == 0;
    (!same).then(|| format!("{} accepted, {} exist, {lost} are lost", accepted.len(), all.len()))
}

/// A generation that delivered costs its price, any other nothing; and the bytes stored for it are those announced.
fn broken_law(generation: &Generation, hashes: &Hashes) -> Option<String> {
    let name = &generation.name;
    let delivered = i64::try_from(generation.images.len()).unwrap_or(i64::MAX);
    if (generation.state() == GenerationState::Succeeded) != (delivered > 0) {
        return Some(format!("{name} is {:?} with {delivered} images", generation.state()));
    }
    if generation.charge * i64::from(generation.count) != delivered * generation.price {
        return Some(format!("{name} delivered {delivered} images for {} credits", generation.charge));
    }
    let stored = hashes.get(name.trim_start_matches("generations/"));
    let is_stored = |sha256: &[u8]| stored.is_some_and(|all| all.iter().any(|stored| stored == sha256));
    let wrong = generation.images.iter().find(|image| !is_stored(&image.sha256))?;
    Some(format!("{} is not what was stored", wrong.name))
}

/// Waits until the operator's check counts nothing open; what it counts in the end, if it never does.
async fn at_rest(place: &Place) -> anyhow::Result<Option<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = check(place).await?;
        if found == AT_REST {
            return Ok(None);
        }
        if Instant::now() > deadline {
            return Ok(Some(format!("not at rest: {found}")));
        }
        sleep(LOOK).await;
    }
}

async fn check(place: &Place) -> anyhow::Result<String> {
    let program = std::env::current_exe()?.with_file_name("imagioo");
    ensure!(program.is_file(), "{} is not built", program.display());
    let output = Command::new(&program)
        .args(["--json", "--server", &place.stack.gateway(0), "admin", "check", "--keys-dir"])
        .arg(place.stack.folder().keys())
        .env("IMAGIOO_CONFIG_DIR", place.stack.folder().path())
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("{} cannot be run", program.display()))?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use imagioo_proto::generation::v1::Image;

    use super::*;

    fn delivered() -> Generation {
        Generation {
            name: "generations/gen_1".to_owned(),
            state: GenerationState::Succeeded.into(),
            count: 1,
            price: 3,
            charge: 3,
            images: vec![Image { sha256: vec![7; 32].into(), ..Image::default() }],
            ..Generation::default()
        }
    }

    #[test]
    fn what_is_delivered_is_charged_and_stored() {
        let hashes = Hashes::from([("gen_1".to_owned(), vec![[1; 32], [7; 32]])]);
        assert_eq!(broken_law(&delivered(), &hashes), None);
        let free = Generation { charge: 0, ..delivered() };
        assert!(broken_law(&free, &hashes).is_some_and(|law| law.contains("0 credits")));
        let empty = Generation { images: Vec::new(), ..delivered() };
        assert!(broken_law(&empty, &hashes).is_some_and(|law| law.contains("0 images")));
        assert!(
            broken_law(&delivered(), &Hashes::new()).is_some_and(|law| law.contains("not what was stored"))
        );
    }

    #[test]
    fn what_is_accepted_is_never_lost_and_nothing_else_exists() {
        let (name, all) = ("generations/gen_1", [delivered()]);
        assert_eq!(all_there(vec![name], &all), None);
        assert!(all_there(vec!["generations/gen_2"], &all).is_some());
        assert!(all_there(Vec::new(), &all).is_some());
    }
}
