use std::collections::HashSet;

use super::table::SERVER;
use super::*;

fn told(error: RpcError) -> (u16, Value) {
    let refusal = Refusal::from(error);
    (refusal.0.status.as_u16(), refusal.json())
}

#[test]
fn every_code_has_a_status_of_its_kind() {
    let ours: HashSet<_> = Code::ALL.iter().filter(|code| code.http().is_server_error()).collect();
    for code in Code::ALL {
        let (status, kind, name) = row(*code);
        assert!(status.is_client_error() || status.is_server_error(), "{code:?}");
        let is_ours = ours.contains(code) && *code != Code::Unimplemented;
        assert_eq!(status.is_server_error(), is_ours, "{code:?}");
        assert_eq!(kind == SERVER, is_ours, "{code:?}");
        assert!(!name.is_empty());
    }
}

#[test]
fn fields_are_named_as_openai_does_and_the_first_is_the_parameter() {
    let error = RpcError::new(Code::SettingUnsupported, "models/sketch cannot do this")
        .field("settings.format", "must be one of png")
        .field("count", "must be 1 to 4");
    let (status, told) = told(error);
    assert_eq!(status, 400);
    let expected = json!({
        "message": "models/sketch cannot do this; output_format: must be one of png; n: must be 1 to 4",
        "type": "invalid_request_error",
        "param": "output_format",
        "code": "unsupported_value",
    });
    assert_eq!(told, expected);
    for (ours, theirs) in
        [("references[0].data", "image"), ("settings.size", "size"), ("mask", "mask"), ("operation", "model")]
    {
        assert_eq!(param(ours).as_deref(), Some(theirs));
    }
    assert_eq!(param("request_id"), None);
}

#[test]
fn a_refused_prompt_tells_stage_and_categories() {
    let error = RpcError::new(Code::ContentPolicy, "the prompt was refused")
        .detail("stage", STAGE)
        .detail("categories", "violence, hate");
    let (status, told) = told(error);
    assert_eq!((status, &told["code"]), (400, &json!("moderation_blocked")));
    let details = json!({ "moderation_stage": "input", "categories": ["violence", "hate"] });
    assert_eq!(told["moderation_details"], details);
    assert_eq!(told["message"], "the prompt was refused; safety_violations=[violence, hate]");
}

#[test]
fn what_went_wrong_inside_is_not_told() {
    let (status, told) = told(RpcError::internal("password=hunter2"));
    assert_eq!(status, 500);
    assert!(!told.to_string().contains("hunter2"));
}
