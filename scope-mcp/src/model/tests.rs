use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;
use crate::decode::decode;

fn round_trip<T: DeserializeOwned + Serialize>(json: &str) -> T {
    let value: T = serde_json::from_str(json).unwrap();
    let before: Value = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_value(&value).unwrap(), before);
    value
}

#[test]
fn a_tool_keeps_what_we_do_not_know() {
    let tool: Tool = round_trip(
        r#"{"name":"echo","title":"Echo","description":"says it again","inputSchema":{"type":"object","x":1e300},
            "outputSchema":{"type":"object"},"annotations":{"readOnlyHint":true,"new":[1]},
            "execution":{"taskSupport":"optional"},"icons":[{"src":"data:"}],"_meta":{"a":1},"future":{"b":null}}"#,
    );
    assert_eq!(tool.name, "echo");
    assert_eq!(tool.annotations.unwrap().read_only, Some(true));
    assert_eq!(tool.extra.keys().collect::<Vec<_>>(), ["future"]);
}

#[test]
fn content_of_every_kind_survives_also_of_kinds_to_come() {
    let result: CallToolResult = round_trip(
        r#"{"content":[{"type":"text","text":"a","annotations":{"priority":1.0}},
            {"type":"image","data":"AA==","mimeType":"image/png"},{"type":"audio","data":"AA==","mimeType":"audio/wav"},
            {"type":"resource_link","uri":"file:///a","name":"a","size":3},
            {"type":"resource","resource":{"uri":"file:///a","text":"t"},"_meta":{}},
            {"type":"hologram","beams":[1,2]}],
            "structuredContent":{"n":1},"isError":true,"_meta":{"k":"v"},"more":1}"#,
    );
    let kinds: Vec<_> = result.content.iter().map(ContentBlock::kind).collect();
    assert!(matches!(kinds[0], ContentKind::Text("a")));
    assert!(matches!(kinds[1], ContentKind::Image { data: "AA==", mime_type: "image/png" }));
    assert!(matches!(kinds[2], ContentKind::Audio { .. }));
    assert!(matches!(kinds[3], ContentKind::ResourceLink { uri: "file:///a", name: "a" }));
    assert!(matches!(kinds[4], ContentKind::Resource { uri: "file:///a", text: Some("t"), blob: None, .. }));
    assert!(matches!(kinds[5], ContentKind::Other("hologram")));
    assert!(result.is_error());
}

#[test]
fn what_is_built_reads_as_what_it_is() {
    let resource = Resource::new("file:///a", "a").size(3).annotations(Annotations::new().priority(f64::NAN));
    let blocks = [
        ContentBlock::text("a"),
        ContentBlock::image("AA==", "image/png").annotations(&Annotations::new().audience([Role::User]).priority(1.0)),
        ContentBlock::audio("AA==", "audio/wav").meta(Object::new()),
        ContentBlock::resource_link(resource),
        ContentBlock::resource(ResourceContents::blob("file:///a", "AA==")),
        ContentBlock::tool_use("1", "echo", Object::new()),
        ContentBlock::tool_result("1", [ContentBlock::text("no")]).failed(),
    ];
    let json = serde_json::to_value(&blocks).unwrap();
    assert_eq!(
        json,
        serde_json::json!([
            { "type": "text", "text": "a" },
            { "type": "image", "data": "AA==", "mimeType": "image/png",
              "annotations": { "audience": ["user"], "priority": 1 } },
            { "type": "audio", "data": "AA==", "mimeType": "audio/wav", "_meta": {} },
            { "type": "resource_link", "uri": "file:///a", "name": "a", "size": 3, "annotations": {} },
            { "type": "resource", "resource": { "uri": "file:///a", "blob": "AA==" } },
            { "type": "tool_use", "id": "1", "name": "echo", "input": {} },
            { "type": "tool_result", "toolUseId": "1", "content": [{ "type": "text", "text": "no" }],
              "isError": true },
        ])
    );
    let read: Vec<ContentBlock> = serde_json::from_value(json).unwrap();
    assert_eq!(read, blocks);
    assert!(matches!(read[5].kind(), ContentKind::ToolUse { id: "1", name: "echo", .. }));
    assert!(matches!(read[6].kind(), ContentKind::ToolResult { tool_use_id: "1", content: [_], is_error: true }));
}

#[test]
fn a_resource_cannot_pass_for_another_kind_of_content() {
    let mut resource = Resource::new("file:///a", "a");
    resource.extra.insert("type".to_owned(), "text".into());
    assert!(matches!(ContentBlock::resource_link(resource).kind(), ContentKind::ResourceLink { .. }));
}

#[test]
fn more_proposals_than_may_be_sent_are_cut_and_said() {
    let few = Completion::new(["a", "b"]);
    assert_eq!((few.values.len(), few.has_more), (2, None));
    let many = Completion::new((0..=Completion::MAX_VALUES).map(|n| n.to_string()));
    assert_eq!((many.values.len(), many.has_more), (100, Some(true)));
    let params: CompleteParams = round_trip(
        r#"{"ref":{"type":"ref/prompt","name":"a","title":"A"},"argument":{"name":"n","value":"v"},
            "context":{"arguments":{"x":"y"}},"_meta":{},"future":1}"#,
    );
    assert!(matches!(params.reference, CompletionReference::Prompt { name, .. } if name == "a"));
    assert!(serde_json::from_str::<CompletionReference>(r#"{"type":"ref/other","name":"a"}"#).is_err());
}

#[test]
fn an_error_flag_that_is_not_there_is_not_written() {
    let result: CallToolResult = round_trip(r#"{"content":[]}"#);
    assert!(!result.is_error());
    let result: CallToolResult = round_trip(r#"{"content":[],"isError":false}"#);
    assert!(!result.is_error());
}

#[test]
fn a_block_that_lacks_its_fields_is_an_error_that_names_them() {
    for (block, field) in [
        (r#"{"type":"text"}"#, "text"),
        (r#"{"type":"image","data":"AA=="}"#, "mimeType"),
        (r#"{"type":"audio","data":1,"mimeType":"a"}"#, "data"),
        (r#"{"type":"resource_link","uri":"a"}"#, "name"),
        (r#"{"type":"tool_use","id":"1","name":"a","input":[]}"#, "input"),
        (r#"{"type":"tool_result","toolUseId":"1","content":"a"}"#, "content"),
        (r#"{"type":"resource"}"#, "resource"),
        (r#"{"type":"resource","resource":{}}"#, "resource.uri"),
        (r#"{"text":"a"}"#, "type"),
        (r#"{"type":7}"#, "type"),
    ] {
        let error = serde_json::from_str::<ContentBlock>(block).unwrap_err().to_string();
        assert!(error.contains(&format!("`{field}`")), "{block}: {error}");
    }
    assert!(serde_json::from_str::<ContentBlock>("[]").is_err());
}

#[test]
fn a_value_nested_without_end_is_refused_not_followed() {
    let deep = format!(r#"{{"content":[],"structuredContent":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let error = serde_json::from_str::<CallToolResult>(&deep).unwrap_err();
    assert!(error.to_string().contains("recursion limit"), "{error}");
}

/// Each field of a `T` is named when it is of the wrong type, but for `raw` ones, which may be anything.
#[track_caller]
fn names_what_is_wrong<T: DeserializeOwned>(right: &str, raw: &[&str]) {
    decode::<T>(right).unwrap();
    let object: Object = serde_json::from_str(right).unwrap();
    for (name, value) in &object {
        let mut wrong = object.clone();
        wrong[name] = if value.is_string() { 7.into() } else { "wrong".into() };
        match decode::<T>(&Value::Object(wrong).to_string()) {
            Err(error) => assert!(error.starts_with(&format!("{name}: ")), "{name} of {right}: {error}"),
            Ok(_) => assert!(raw.contains(&name.as_str()), "{name} of {right} may be anything"),
        }
    }
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    let icons = r#""icons":[{"src":"a"}]"#;
    let common = format!(r#""title":"t","description":"d",{icons},"_meta":{{}}"#);
    names_what_is_wrong::<Tool>(
        &format!(
            r#"{{"name":"n",{common},"inputSchema":{{}},"outputSchema":{{}},"annotations":{{}},"execution":{{}}}}"#
        ),
        &[],
    );
    names_what_is_wrong::<Resource>(
        &format!(r#"{{"uri":"u","name":"n",{common},"mimeType":"m","size":1,"annotations":{{}}}}"#),
        &[],
    );
    names_what_is_wrong::<ResourceTemplate>(
        &format!(r#"{{"uriTemplate":"u","name":"n",{common},"mimeType":"m","annotations":{{}}}}"#),
        &[],
    );
    names_what_is_wrong::<ResourceContents>(r#"{"uri":"u","mimeType":"m","text":"t","blob":"b","_meta":{}}"#, &[]);
    names_what_is_wrong::<Annotations>(r#"{"audience":[],"priority":1,"lastModified":"t"}"#, &[]);
    names_what_is_wrong::<Icon>(r#"{"src":"a","mimeType":"m","theme":"t"}"#, &[]);
    names_what_is_wrong::<Prompt>(&format!(r#"{{"name":"n",{common},"arguments":[]}}"#), &[]);
    names_what_is_wrong::<PromptArgument>(r#"{"name":"n","title":"t","description":"d","required":true}"#, &[]);
    names_what_is_wrong::<PromptMessage>(r#"{"role":"user","content":{"type":"text","text":"a"}}"#, &[]);
    names_what_is_wrong::<Completion>(r#"{"values":[],"total":1,"hasMore":true}"#, &[]);
    names_what_is_wrong::<Root>(r#"{"uri":"u","name":"n","_meta":{}}"#, &[]);
    names_what_is_wrong::<Implementation>(
        &format!(r#"{{"name":"n","title":"t","version":"1","description":"d","websiteUrl":"w",{icons}}}"#),
        &[],
    );
    names_what_is_wrong::<InitializeResult>(
        r#"{"protocolVersion":"v","capabilities":{},"serverInfo":{"name":"n","version":"1"},"instructions":"i"}"#,
        &[],
    );
    names_what_is_wrong::<DiscoverResult>(r#"{"supportedVersions":[],"capabilities":{},"instructions":"i"}"#, &[]);
    names_what_is_wrong::<CallToolResult>(
        r#"{"content":[],"structuredContent":{},"isError":true,"_meta":{}}"#,
        &["structuredContent"],
    );
    names_what_is_wrong::<CallToolParams>(
        r#"{"name":"n","arguments":{},"task":{},"inputResponses":{},"requestState":"s","_meta":{}}"#,
        &["arguments"],
    );
    names_what_is_wrong::<CreateMessageParams>(
        r#"{"messages":[],"maxTokens":1,"modelPreferences":{},"systemPrompt":"s","includeContext":"none",
            "temperature":1,"stopSequences":[],"metadata":{},"tools":[],"toolChoice":{},"task":{},"_meta":{}}"#,
        &[],
    );
    names_what_is_wrong::<CreateMessageResult>(
        r#"{"role":"user","content":[],"model":"m","stopReason":"s","_meta":{}}"#,
        &[],
    );
    names_what_is_wrong::<ElicitResult>(r#"{"action":"accept","content":{},"_meta":{}}"#, &[]);
    names_what_is_wrong::<ElicitParams>(r#"{"message":"m","mode":"url","url":"u","elicitationId":"e","task":{}}"#, &[]);
    names_what_is_wrong::<InputRequired>(
        r#"{"resultType":"input_required","inputRequests":{},"requestState":"s","_meta":{}}"#,
        &[],
    );
    names_what_is_wrong::<SubscriptionFilter>(
        r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":[],
            "taskIds":[]}"#,
        &[],
    );
    names_what_is_wrong::<Task>(
        r#"{"taskId":"t","status":"working","statusMessage":"m","createdAt":"c","lastUpdatedAt":"l","ttlMs":1,
            "pollIntervalMs":1,"inputRequests":{},"result":{},"error":{},"_meta":{}}"#,
        &["result", "error"],
    );
    names_what_is_wrong::<CreateTaskResult>(
        r#"{"task":{"taskId":"t","status":"working","createdAt":"c","lastUpdatedAt":"l"},"_meta":{}}"#,
        &[],
    );
    names_what_is_wrong::<Progress>(
        r#"{"progressToken":1,"progress":1,"total":1,"message":"m","_meta":{}}"#,
        &["progressToken"],
    );
}
