use std::sync::Mutex;

use super::*;
use crate::model::ContentBlock;

const MODERN: Revision = Revision::V2026_07_28;
const NEWEST_LEGACY: Revision = Revision::V2025_11_25;

fn bound(options: ClientOptions) -> Arc<ClientHandlers> {
    options.handlers.bound_to(&"peer".into(), options.max_form_bytes)
}

fn everything() -> ClientOptions {
    let options = ClientOptions::default().roots(Roots::default());
    let options = options.on_sampling(|_| async { Err(Rejection::new(-1, "no")) });
    let options = options.on_elicitation(|_| async { Ok(ElicitResult::decline()) });
    options.on_elicitation_url(|_| async { Ok(ElicitResult::decline()) })
}

fn declared(options: &ClientOptions, revision: Revision) -> Value {
    serde_json::to_value(bound(options.clone()).capabilities(revision)).unwrap()
}

/// Asks and answers; nothing here waits for anything.
fn ask(handlers: &Arc<ClientHandlers>, revision: Revision, method: &str, params: Value) -> Result<Value, Rejection> {
    let params = to_raw_value(&params).unwrap();
    let answer = handlers.answer(revision, method, Some(&params)).expect("offered").now_or_never().expect("at once")?;
    Ok(serde_json::from_str(answer.get()).unwrap())
}

fn refusal(handlers: &Arc<ClientHandlers>, method: &str, params: Value) -> (Option<i64>, String) {
    let refusal = ask(handlers, NEWEST_LEGACY, method, params).unwrap_err();
    (refusal.code(), refusal.message().unwrap_or_default().to_owned())
}

fn form(properties: Value) -> Value {
    json!({ "message": "m", "requestedSchema": { "type": "object", "properties": properties } })
}

fn url(url: &str) -> Value {
    json!({ "mode": "url", "message": "m", "elicitationId": "e", "url": url })
}

#[test]
fn what_is_declared_is_what_there_is_and_what_the_revision_knows() {
    let nothing = ClientOptions::default();
    for revision in Revision::of(Era::Legacy) {
        assert_eq!(declared(&nothing, revision), json!({}));
    }
    assert_eq!(declared(&nothing, MODERN), json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } }));
    let nothing = nothing.tasks(false);
    assert_eq!(declared(&nothing, MODERN), json!({}));
    let all = everything().sampling_with_tools().sampling_with_context().tasks(false);
    let early = json!({ "roots": { "listChanged": true }, "sampling": {} });
    assert_eq!(declared(&all, Revision::V2024_11_05), early);
    assert_eq!(declared(&all, Revision::V2025_03_26), early);
    let with_forms = json!({ "roots": { "listChanged": true }, "sampling": {}, "elicitation": {} });
    assert_eq!(declared(&all, Revision::V2025_06_18), with_forms);
    let sampling = json!({ "tools": {}, "context": {} });
    let elicitation = json!({ "form": {}, "url": {} });
    let newest = json!({ "roots": { "listChanged": true }, "sampling": sampling, "elicitation": elicitation });
    assert_eq!(declared(&all, NEWEST_LEGACY), newest);
    let modern = json!({ "roots": {}, "sampling": sampling, "elicitation": elicitation });
    assert_eq!(declared(&all, MODERN), modern);
    let plain = nothing.clone().on_sampling(|_| async { Err(Rejection::new(-1, "no")) });
    assert_eq!(declared(&plain, MODERN), json!({ "sampling": {} }));
    let only_url = ClientOptions::default().on_elicitation_url(|_| async { Ok(ElicitResult::decline()) });
    assert_eq!(declared(&only_url, Revision::V2025_06_18), json!({}));
    assert_eq!(declared(&only_url, NEWEST_LEGACY), json!({ "elicitation": { "url": {} } }));
}

#[test]
fn what_is_not_declared_is_not_answered() {
    let nothing = bound(ClientOptions::default());
    let all = bound(everything());
    for method in ["roots/list", "sampling/createMessage", "elicitation/create"] {
        assert!(nothing.answer(NEWEST_LEGACY, method, None).is_none());
        assert!(all.answer(NEWEST_LEGACY, method, None).is_some());
        let refused = nothing.prepare(MODERN, method, None).err().unwrap();
        assert!(refused.code() == Some(METHOD_NOT_FOUND) && refused.to_string().contains("given no"), "{refused}");
    }
    assert!(all.answer(Revision::V2025_03_26, "elicitation/create", None).is_none());
    assert!(all.answer(NEWEST_LEGACY, "ping", None).is_none());
    assert!(all.prepare(MODERN, "tools/list", None).is_err());
    let only_url = bound(ClientOptions::default().on_elicitation_url(|_| async { Ok(ElicitResult::decline()) }));
    let (code, why) = refusal(&only_url, "elicitation/create", form(json!({})));
    assert!(code == Some(-32602) && why.contains("by a form"), "{why}");
    let only_form = bound(ClientOptions::default().on_elicitation(|_| async { Ok(ElicitResult::decline()) }));
    let (code, why) = refusal(&only_form, "elicitation/create", url("https://example.com"));
    assert!(code == Some(-32602) && why.contains("by a URL"), "{why}");
}

#[test]
fn the_roots_are_those_of_now() {
    let roots = Roots::new([crate::model::Root::new("file:///a").name("a")]);
    let handlers = bound(ClientOptions::default().roots(roots.clone()));
    let list = |handlers| ask(handlers, MODERN, "roots/list", json!({})).unwrap();
    assert_eq!(list(&handlers), json!({ "roots": [{ "uri": "file:///a", "name": "a" }] }));
    assert!(handlers.answer(NEWEST_LEGACY, "roots/list", None).unwrap().now_or_never().unwrap().is_ok());
    roots.set([]);
    assert_eq!(list(&handlers), json!({ "roots": [] }));
}

#[test]
fn a_handler_knows_who_asks_and_what() {
    let handlers = bound(ClientOptions::default().on_sampling(|question| async move {
        assert_eq!(&*question.server, "peer");
        Err(Rejection::new(-1, format!("asked for {} tokens", question.params.max_tokens)))
    }));
    let asked = json!({ "messages": [], "maxTokens": 7 });
    assert_eq!(
        refusal(&handlers, "sampling/createMessage", asked.clone()),
        (Some(-1), "asked for 7 tokens".to_owned())
    );
    let (code, why) = refusal(&handlers, "sampling/createMessage", json!({ "messages": [] }));
    assert!(code == Some(-32602) && why.contains("maxTokens"), "{why}");
    for extra in [json!({ "tools": [] }), json!({ "toolChoice": { "mode": "auto" } })] {
        let mut asked = asked.clone();
        asked.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let (code, why) = refusal(&handlers, "sampling/createMessage", asked);
        assert!(code == Some(-32602) && why.contains("with tools"), "{why}");
    }
}

#[test]
fn a_form_that_is_accepted_goes_out_with_its_defaults_and_only_if_it_fits() {
    let answers = Arc::new(Mutex::new(vec![
        ElicitResult::accept(),
        ElicitResult::accept_with(json!({ "name": 7 }).as_object().unwrap().clone()),
        ElicitResult { content: Some(Object::new()), ..ElicitResult::decline() },
    ]));
    let handlers = bound(ClientOptions::default().on_elicitation(move |_| {
        let answer = answers.lock().unwrap().remove(0);
        async move { Ok(answer) }
    }));
    let asked = form(json!({ "name": { "type": "string", "default": "John" } }));
    let answer = ask(&handlers, Revision::V2025_06_18, "elicitation/create", asked.clone()).unwrap();
    assert_eq!(answer, json!({ "action": "accept", "content": { "name": "John" } }));
    let (code, why) = refusal(&handlers, "elicitation/create", asked.clone());
    assert!(code == Some(-32603) && why.contains("the field \"name\" must be text"), "{why}");
    let answer = ask(&handlers, MODERN, "elicitation/create", asked).unwrap();
    assert_eq!(answer, json!({ "action": "decline" }));
}

#[test]
fn a_form_that_is_none_or_too_big_is_refused_before_anybody_sees_it() {
    let handlers = bound(ClientOptions::default().max_form_bytes(200).on_elicitation(|_| async { panic!("seen") }));
    let (code, why) = refusal(&handlers, "elicitation/create", form(json!({ "a": { "type": "object" } })));
    assert!(code == Some(-32602) && why.contains("not of a kind that forms have"), "{why}");
    let (code, why) = refusal(&handlers, "elicitation/create", form(json!({ "a".repeat(200): { "type": "string" } })));
    assert!(code == Some(-32602) && why.contains("no more than 200"), "{why}");
    let (code, _) = refusal(&handlers, "elicitation/create", json!({ "mode": "hologram", "message": "m" }));
    assert_eq!(code, Some(-32602));
}

#[test]
fn a_user_is_sent_to_https_addresses_only_and_what_they_do_there_stays_there() {
    let handlers = bound(ClientOptions::default().on_elicitation_url(|question| async move {
        assert_eq!(question.host(), "example.com:8443");
        Ok(ElicitResult::accept_with(json!({ "key": "hush" }).as_object().unwrap().clone()))
    }));
    let answer = ask(&handlers, MODERN, "elicitation/create", url("https://example.com:8443/connect?x")).unwrap();
    assert_eq!(answer, json!({ "action": "accept" }));
    for bad in ["http://example.com:8443", "https://user@example.com:8443", "file:///etc/passwd"] {
        let (code, why) = refusal(&handlers, "elicitation/create", url(bad));
        assert!(code == Some(-32602) && why.contains("does not show that address"), "{why}");
    }
}

#[test]
fn a_handler_that_panics_has_refused() {
    let at_once = ClientOptions::default().on_elicitation(|_| -> std::future::Ready<_> { panic!("hush") });
    let later = ClientOptions::default().on_elicitation(|_| async { panic!("hush") });
    let params = to_raw_value(&form(json!({}))).unwrap();
    for options in [at_once, later] {
        let answering = bound(options).prepare(MODERN, "elicitation/create", Some(&params)).unwrap();
        let refused = answering.now_or_never().unwrap().unwrap_err();
        assert_eq!(refused.to_string(), "the handler of this request panicked (error -32603)");
    }
}

#[test]
fn an_answer_says_which_task_its_question_belongs_to() {
    let handlers = bound(everything());
    let mut asked = form(json!({}));
    asked["_meta"] = json!({ RELATED_TASK: { "taskId": "t" } });
    let answer = ask(&handlers, NEWEST_LEGACY, "elicitation/create", asked).unwrap();
    assert_eq!(answer, json!({ "action": "decline", "_meta": { RELATED_TASK: { "taskId": "t" } } }));
}

#[test]
fn nobody_is_asked_before_the_answer_is_waited_for() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let handlers = bound(ClientOptions::default().on_elicitation(move |_| {
        *count.lock().unwrap() += 1;
        async { Ok(ElicitResult::decline()) }
    }));
    let params = to_raw_value(&form(json!({}))).unwrap();
    let answering = handlers.prepare(MODERN, "elicitation/create", Some(&params)).unwrap();
    assert_eq!(*asked.lock().unwrap(), 0);
    assert!(answering.now_or_never().unwrap().is_ok());
    assert_eq!(*asked.lock().unwrap(), 1);
}

#[test]
fn a_sample_is_what_the_revision_has_a_form_for() {
    let text = || ContentBlock::text("t");
    let audio =
        || serde_json::from_value::<ContentBlock>(json!({ "type": "audio", "data": "", "mimeType": "a/b" })).unwrap();
    let answer = |revision, content: SamplingContent| {
        let handlers = bound(ClientOptions::default().on_sampling(move |_| {
            let answer = CreateMessageResult::new("m", content.clone());
            async { Ok(answer) }
        }));
        ask(&handlers, revision, "sampling/createMessage", json!({ "messages": [], "maxTokens": 1 }))
    };
    let old = Revision::V2024_11_05;
    let one = answer(old, vec![text()].into()).unwrap();
    assert_eq!(one["content"], json!({ "type": "text", "text": "t" }));
    for (revision, content) in [(old, audio().into()), (Revision::V2025_06_18, vec![text(), text()].into())] {
        let refused = answer(revision, content).unwrap_err();
        assert_eq!(refused.code(), Some(-32603));
        assert!(refused.to_string().contains("one block of text or media in the revision"), "{refused}");
    }
    assert!(answer(Revision::V2025_03_26, audio().into()).is_ok());
    assert_eq!(answer(NEWEST_LEGACY, vec![text(), audio()].into()).unwrap()["content"].as_array().unwrap().len(), 2);
}
