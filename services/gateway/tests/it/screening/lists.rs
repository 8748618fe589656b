//! Local lists in a running gateway: alone, before an endpoint, and when their files change.

use std::fs;
use std::path::Path;

use imagioo_rpc::Code;
use imagioo_testkit::web::{Reply, WebServer};

use super::assert_blocked;
use crate::harness::{App, eventually, wanted};

fn list(term: &str) -> String {
    format!("[[lists]]\ncategory = \"animals\"\nterms = [\"{term}\"]\n")
}

fn config(path: &Path) -> String {
    let path = path.display();
    format!(
        "screening.screens = [\"lists\"]\nscreening.lists = {{ files = [\"{path}\"], reload_seconds = 1 }}\n"
    )
}

#[tokio::test]
async fn s85_a_listed_word_is_refused_and_costs_nothing_and_any_other_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lists.toml");
    fs::write(&path, list("wolf")).expect("written");
    let app = App::with(config(&path)).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let error = ada.ask(wanted("A WOLF in the snow")).await.expect_err("listed");
    assert_blocked(&app, &error, "lists", ("animals", &["prompt"])).await;
    ada.create("a wolfhound").await;
    let job = worker.job().await;
    assert!(job.job.screening.starts_with("allow:lists="), "{}", job.job.screening);
    job.deliver_all().await;
    app.ends_clean().await;
}

#[tokio::test]
async fn s85_the_lists_of_a_running_gateway_follow_their_files_as_long_as_those_are_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lists.toml");
    fs::write(&path, list("wolf")).expect("written");
    let app = App::with(config(&path)).await;
    let ada = app.user();
    let blocks = async |prompt: &str| match ada.ask(wanted(prompt)).await {
        Err(error) => error.code() == Code::ContentPolicy,
        Ok(_) => false,
    };
    assert!(blocks("a wolf").await);
    fs::write(&path, "[[lists]]\ncategory = \"animals\"\nterms = [\"\"]\n").expect("written");
    assert!(blocks("a wolf").await);
    // Whether or not the gateway has seen the broken file, a wolf is never let in before the lists say so.
    fs::write(&path, list("bear").replace("bear", "bear\", \"wolf")).expect("written");
    eventually("the new list is in force", async || {
        assert!(blocks("a wolf").await);
        blocks("a bear").await
    })
    .await;
    let accepted = usize::try_from(app.count().await).expect("a number");
    let mut worker = app.worker("w1").await;
    worker.work_off(accepted).await;
    app.ends_clean().await;
}

#[tokio::test]
async fn s85_screens_are_asked_in_order_and_what_the_first_blocks_never_leaves_the_system() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lists.toml");
    fs::write(&path, list("wolf")).expect("written");
    let endpoint = WebServer::start(|_| Reply::json(200, r#"{"id":"mod_1","decision":"allow"}"#)).await;
    let both = config(&path).replace("[\"lists\"]", "[\"lists\", \"http\"]");
    let app = App::with(format!("{both}screening.http.base_url = \"{}\"", endpoint.url("/"))).await;
    let (ada, mut worker) = (app.user(), app.worker("w1").await);
    let error = ada.ask(wanted("a wolf")).await.expect_err("listed");
    assert_blocked(&app, &error, "lists", ("animals", &["prompt"])).await;
    assert_eq!(endpoint.asked().len(), 0);

    ada.create("a fox").await;
    let job = worker.job().await;
    let names: Vec<_> =
        job.job.screening.split([':', ',', ';']).filter_map(|part| Some(part.split_once('=')?.0)).collect();
    assert_eq!(names, ["lists", "http"], "{}", job.job.screening);
    assert_eq!(endpoint.asked()[0].header("x-api-key"), None, "there is no key");
    job.deliver_all().await;
    app.ends_clean().await;
}
