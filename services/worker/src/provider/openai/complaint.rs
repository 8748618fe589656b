//! What an answer without images means: one table from status, code and shape to a class of failure.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;
use time::OffsetDateTime;

use crate::provider::account::complaint::{Complaint, by_status, plain, request_id, tame, word};
use crate::provider::account::retry_after;
use crate::provider::{CallError, Charged, Fate, Refusal};
use crate::reason::Reason;

/// Codes and types of a moderation refusal, in any spelling of case and underscores.
const REFUSALS: [&str; 5] = [
    "moderationblocked",
    "contentpolicyviolation",
    "imagecontentpolicyviolation",
    "contentfilter",
    "responsibleaipolicyviolation",
];

/// Codes that say the account is out of money, under whatever status.
const EXHAUSTED: [&str; 2] = ["insufficientquota", "billinghardlimitreached"];

/// The class of an answer without images.
pub(super) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: OffsetDateTime,
) -> CallError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
    let complaint = Complaint {
        status: status.as_u16(),
        code: word(error.get("code")),
        kind: word(error.get("type")),
        about: word(error.get("param")),
        request: request_id(headers, "x-request-id"),
    };
    let named = |names: &[&str]| {
        [&complaint.code, &complaint.kind].iter().any(|name| names.contains(&plain(name).as_str()))
    };
    let class = if let Some(refusal) = refusal(error) {
        CallError::refused(refusal)
    } else if named(&EXHAUSTED) {
        CallError::failed(Reason::ProviderQuota)
    } else {
        advised(by_status(status, retry_after(headers, now)), headers)
    };
    class.because(complaint)
}

/// The same, if the server does not say itself whether to try again, as OpenAI's own clients ask it.
fn advised(class: CallError, headers: &HeaderMap) -> CallError {
    let advice = headers.get("x-should-retry").and_then(|value| value.to_str().ok());
    match (&class.fate, advice) {
        (Fate::Retry { .. }, Some("false")) => CallError::failed(class.reason),
        // What was not accepted was not made.
        (Fate::Failed, Some("true")) if class.reason == Reason::ProviderRejected => {
            CallError::retry(Reason::ProviderUnavailable, Charged::No)
        }
        _ => class,
    }
}

/// The refusal that an error object expresses, if any: by code, by type, by an inner error, or by moderation details.
fn refusal(error: &Value) -> Option<Refusal> {
    let inner = ["inner_error", "innererror"].iter().find_map(|key| error.get(key));
    let names = [error.get("code"), error.get("type"), inner.and_then(|inner| inner.get("code"))];
    let named = names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .any(|name| REFUSALS.contains(&plain(name).as_str()));
    let details = error.get("moderation_details").filter(|details| details.is_object());
    let filter = [Some(error), inner].into_iter().flatten().find_map(filter_results);
    if !named && details.is_none() && filter.is_none() {
        return None;
    }
    let output =
        details.and_then(|details| details.get("moderation_stage")).and_then(Value::as_str) == Some("output");
    let listed = details.and_then(|details| details.get("categories")).and_then(Value::as_array);
    let mut categories: Vec<String> = match (listed, filter) {
        (Some(list), _) => list.iter().map(|name| word(Some(name))).collect(),
        (None, Some(results)) => results,
        (None, None) => named_in(error.get("message").and_then(Value::as_str).unwrap_or_default()),
    };
    categories.retain(|category| !category.is_empty());
    Some(Refusal { output, categories })
}

/// Azure's form: `{"hate": {"filtered": true, …}, …}`; the names of what was filtered.
fn filter_results(error: &Value) -> Option<Vec<String>> {
    let results =
        ["content_filter_results", "content_filter_result"].iter().find_map(|key| error.get(key))?;
    let filtered = |result: &Value| result.get("filtered").and_then(Value::as_bool) == Some(true);
    let names: Vec<String> = results
        .as_object()?
        .iter()
        .filter(|(_, result)| filtered(result))
        .map(|(name, _)| tame(name))
        .collect();
    (!names.is_empty()).then_some(names)
}

/// The list in a text such as `… safety_violations=[sexual, violence].`
fn named_in(message: &str) -> Vec<String> {
    let list = message.split_once("safety_violations=[").and_then(|(_, rest)| rest.split_once(']'));
    list.map(|(names, _)| names.split(',').map(tame).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn class(status: u16, body: &str) -> CallError {
        let status = StatusCode::from_u16(status).expect("a status");
        classify(status, &HeaderMap::new(), body.as_bytes(), NOW)
    }

    #[test]
    fn every_shape_of_a_refusal_is_one() {
        let shapes = [
            r#"{"error":{"code":"moderation_blocked","type":"image_generation_user_error","message":"x"}}"#,
            r#"{"error":{"code":"content_policy_violation","type":"invalid_request_error"}}"#,
            r#"{"error":{"code":null,"type":"image_content_policy_violation"}}"#,
            r#"{"error":{"code":"content_filter","message":"x"}}"#,
            r#"{"error":{"code":"contentFilter"}}"#,
            r#"{"error":{"code":"400","inner_error":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            r#"{"error":{"moderation_details":{"moderation_stage":"input","categories":[]}}}"#,
        ];
        for shape in shapes {
            for status in [400, 403, 200] {
                assert!(matches!(class(status, shape).fate, Fate::Refused(_)), "{status} {shape}");
            }
        }
    }

    #[test]
    fn stage_and_categories_are_kept() {
        let refused = |body| match class(400, body).fate {
            Fate::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        };
        let details = r#"{"error":{"code":"moderation_blocked","moderation_details":
            {"moderation_stage":"output","categories":["violence","self-harm"]}}}"#;
        assert_eq!(
            refused(details),
            Refusal { output: true, categories: vec!["violence".into(), "self-harm".into()] }
        );
        let text = r#"{"error":{"code":"moderation_blocked","message":"rejected. safety_violations=[sexual, minors]."}}"#;
        assert_eq!(refused(text).categories, ["sexual", "minors"]);
        let azure = r#"{"error":{"code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation",
            "content_filter_result":{"hate":{"filtered":false},"violence":{"filtered":true,"severity":"high"}}}}}"#;
        assert_eq!(refused(azure).categories, ["violence"]);
    }

    #[test]
    fn every_other_answer_has_its_class() {
        let retry = |charged| Fate::Retry { after: None, charged };
        let table = [
            (400, "{}", Fate::Failed, Reason::ProviderRejected),
            (401, r#"{"error":{"code":"invalid_api_key"}}"#, Fate::Failed, Reason::ProviderAuth),
            (403, "", Fate::Failed, Reason::ProviderAuth),
            (404, "<html>", Fate::Failed, Reason::ProviderRejected),
            (408, "", retry(Charged::Unknown), Reason::ProviderTimeout),
            (429, r#"{"error":"slow down"}"#, retry(Charged::No), Reason::ProviderRateLimited),
            (429, r#"{"error":{"code":"insufficient_quota"}}"#, Fate::Failed, Reason::ProviderQuota),
            (400, r#"{"error":{"code":"billing_hard_limit_reached"}}"#, Fate::Failed, Reason::ProviderQuota),
            (500, "", retry(Charged::Unknown), Reason::ProviderUnavailable),
            (503, "[]", retry(Charged::Unknown), Reason::ProviderUnavailable),
            (302, "", retry(Charged::Unknown), Reason::ProviderBadAnswer),
            (200, r#"{"error":{"code":"server_error"}}"#, retry(Charged::Unknown), Reason::ProviderBadAnswer),
        ];
        for (status, body, fate, reason) in table {
            let error = class(status, body);
            assert_eq!((error.fate, error.reason), (fate, reason), "{status} {body}");
        }
    }

    #[test]
    fn what_the_server_says_of_trying_again_is_heeded() {
        let told = |status: u16, body: &str, advice: &'static str| {
            let headers = HeaderMap::from_iter([(
                reqwest::header::HeaderName::from_static("x-should-retry"),
                reqwest::header::HeaderValue::from_static(advice),
            )]);
            let status = StatusCode::from_u16(status).expect("a status");
            let error = classify(status, &headers, body.as_bytes(), NOW);
            (error.fate, error.reason)
        };
        let free = Fate::Retry { after: None, charged: Charged::No };
        let refusal = r#"{"error":{"code":"moderation_blocked"}}"#;
        assert_eq!(told(500, "", "false"), (Fate::Failed, Reason::ProviderUnavailable));
        assert_eq!(told(400, "", "true"), (free, Reason::ProviderUnavailable));
        assert_eq!(told(401, "", "true"), (Fate::Failed, Reason::ProviderAuth));
        assert!(matches!(told(400, refusal, "true").0, Fate::Refused(_)));
    }

    #[test]
    fn what_a_provider_writes_cannot_break_a_log_line() {
        let error = class(400, "{\"error\":{\"code\":\"a\\r\\nb secret prompt\",\"message\":\"prompt\"}}");
        let source = error.source.expect("a complaint").to_string();
        assert!(source.contains("`a`") && !source.contains("prompt"), "{source}");
    }
}
