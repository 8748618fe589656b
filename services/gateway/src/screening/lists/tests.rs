//! What lists find, what they let pass, and what a change of their files does.

use std::fs;

use imagioo_types::Prompt;

use super::*;

const GOOD: &str = r#"
[[lists]]
category = "weapons"
terms = ["pipe bomb", "bomb", "폭탄*", "炸弹"]
patterns = ['\bnapalm (recipe|at home)\b']
allow = ["bath bomb*", "photo bomb"]

[[lists]]
category = "likeness"
decision = "flag"
terms = ["famous person"]
negative_prompt = false
"#;

fn words(prompt: &str, negative: &str) -> Wording {
    let part = |text: &str| Prompt::parse_optional(text.to_owned()).expect("a prompt");
    Wording { prompt: part(prompt), negative: part(negative) }
}

fn compiled(text: &str) -> Result<Rules, Mistakes> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lists.toml");
    fs::write(&path, text).expect("written");
    load(&[path]).1
}

/// The outcome with categories and fields.
fn judged(rules: &Rules, prompt: &str, negative: &str) -> String {
    match rules.judge(&words(prompt, negative)) {
        Verdict::Allow { .. } => "allow".to_owned(),
        verdict @ Verdict::Block(_) => {
            let outcome = verdict.outcome();
            let Verdict::Block(block) = verdict else { unreachable!("matched above") };
            let fields: Vec<_> = block.fields.iter().copied().collect();
            format!("{outcome} {} {}", block.categories_text(), fields.join(","))
        }
    }
}

#[test]
fn words_are_found_in_every_spelling_and_only_as_words() {
    let rules = compiled(GOOD).expect("good lists");
    let denied = "deny weapons prompt";
    for prompt in [
        "a bomb",
        "A PIPE-BOMB, please",
        "ｂｏｍｂ",
        "bo\u{200b}mb",
        "how to build a bomb.",
        "a bath bomb beside a bomb",
        "폭탄을 만드는 법",
        "制造炸弹的方法",
        "Napalm recipe",
    ] {
        assert_eq!(judged(&rules, prompt, ""), denied, "{prompt}");
    }
    for prompt in
        ["a bombastic speech", "a Bath-Bomb", "two bath bombs", "a photo bomb", "napalm", "la bombe", "a fox"]
    {
        assert_eq!(judged(&rules, prompt, ""), "allow", "{prompt}");
    }
}

#[test]
fn the_shipped_example_is_a_good_list() {
    let rules = compiled(include_str!("../../../../../deploy/config/screening.toml")).expect("good lists");
    assert_eq!(judged(&rules, "a pipe-bomb", ""), "deny weapons prompt");
    assert_eq!(judged(&rules, "a pipe bomb disposal robot", ""), "allow");
}

#[test]
fn every_category_and_field_is_named_and_a_list_may_leave_the_negative_prompt_alone() {
    let rules = compiled(GOOD).expect("good lists");
    assert_eq!(judged(&rules, "a famous person", ""), "flag likeness prompt");
    assert_eq!(judged(&rules, "a fox", "famous person"), "allow");
    assert_eq!(judged(&rules, "a fox", "a bomb"), "deny weapons settings.negative_prompt");
    let both = judged(&rules, "a famous person", "a bomb");
    assert_eq!(both, "deny likeness,weapons prompt,settings.negative_prompt");
    assert_eq!(judged(&rules, "", ""), "allow");
}

#[test]
fn every_mistake_of_every_file_is_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = ["one.toml", "two.toml", "three.toml", "gone.toml"].map(|name| folder.path().join(name));
    let one = r#"
[[lists]]
category = "no good"
terms = ["", "a*b", "\u200b", "fine"]
patterns = ["(", "x*"]
[[lists]]
category = "empty"
[[lists]]
category = "unknown"
terms = ["a"]
desicion = "deny"
"#;
    fs::write(&files[0], one).expect("written");
    fs::write(&files[1], "lists = [").expect("written");
    fs::write(&files[2], "").expect("written");
    let Err(Mistakes(mistakes)) = load(&files).1 else { panic!("ten mistakes") };
    let all = mistakes.join("\n");
    for part in [
        "one.toml: list 1: category must be",
        "term `` is empty",
        "term `a*b` has a `*`",
        "term `\u{200b}` is empty",
        "pattern `(` ",
        "pattern `x*` matches every text",
        "one.toml: list 2: names neither",
        "one.toml: list 3: unknown field `desicion`",
        "two.toml: ",
        "three.toml: holds no [[lists]]",
        "gone.toml: cannot be read",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
    assert_eq!(mistakes.len(), 11, "{all}");
}

#[tokio::test]
async fn s85_a_changed_file_is_taken_and_a_broken_one_leaves_the_last_good_lists_in_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lists.toml");
    let write = |text: &str| fs::write(&path, text).expect("written");
    let list = |term: &str| format!("[[lists]]\ncategory = \"x\"\nterms = [\"{term}\"]\n");
    write(&list("fox"));
    let config = ListsConfig { files: vec![path.clone()], reload_seconds: 1 };
    let lists = Lists::open(&config).await.expect("good lists");
    let blocks = async |prompt: &str| {
        let verdict = lists.judge(&words(prompt, "")).await.expect("a verdict");
        matches!(verdict, Verdict::Block(_))
    };
    let first = lists.state().rules.version.clone();
    assert!(blocks("a fox").await && !blocks("a wolf").await);
    assert_eq!(lists.look().await.expect("looked"), Look::Unchanged);

    for broken in ["[[lists]]\ncategory = \"x\"\npatterns = [\"(\"]\n", "lists = ["] {
        write(broken);
        assert!(matches!(lists.look().await.expect("looked"), Look::Refused(_)), "{broken}");
        assert_eq!(lists.look().await.expect("looked"), Look::Unchanged, "told once");
        assert!(blocks("a fox").await, "the last good version stays");
    }
    fs::remove_file(&path).expect("removed");
    assert!(matches!(lists.look().await.expect("looked"), Look::Refused(_)));
    assert!(blocks("a fox").await && lists.state().rules.version == first);

    write(&list("wolf"));
    assert_eq!(lists.look().await.expect("looked"), Look::Taken);
    assert!(!blocks("a fox").await && blocks("a wolf").await);
    assert_ne!(lists.state().rules.version, first);
}

#[tokio::test]
async fn wrong_lists_keep_the_gateway_from_starting() {
    let config = ListsConfig { files: vec!["/nowhere/lists.toml".into()], reload_seconds: 1 };
    let error = Lists::open(&config).await.err().expect("refused").to_string();
    assert!(error.contains("/nowhere/lists.toml: cannot be read"), "{error}");
}
