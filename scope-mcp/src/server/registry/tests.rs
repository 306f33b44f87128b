use futures_util::FutureExt;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::*;
use crate::jsonrpc::Id;
use crate::model::{ClientCapabilities, Object, Prompt, PromptArgument, Resource, ResourceTemplate, Tool};
use crate::server::caller::{Caller, LogFilter};
use crate::server::context::Asker;
use crate::server::shared::Shared;
use crate::server::{
    Completing, HandlerError, Json, NoArguments, PromptArguments, ResourceUri, ServeOptions, Server, ServerBuilder,
    ServerPrompt, ServerResource, ServerTemplate, ServerTool, UnreadArguments,
};

#[derive(serde::Deserialize, JsonSchema)]
struct Divide {
    dividend: i64,
    /// Not 0.
    divisor: i64,
}

#[derive(Serialize, JsonSchema)]
struct Quotient {
    quotient: i64,
}

async fn divide(args: Divide, _: Context) -> Result<Json<Quotient>, HandlerError> {
    let quotient = args.dividend.checked_div(args.divisor);
    let quotient = quotient.ok_or_else(|| HandlerError::new("there is nothing to divide by"))?;
    Ok(Json(Quotient { quotient }))
}

fn builder() -> ServerBuilder {
    Server::builder("test", "1")
        .tool("divide", "Divides", divide)
        .tool("none", "Takes nothing", |NoArguments {}, _| async { "nothing" })
        .tool("list", "Gives a list", |NoArguments {}, _| async { Json(vec![1, 2]) })
        .resource(Resource::new("test://fixed", "fixed").mime_type("text/plain"), |_, _| async { "text" })
        .resource(Resource::new("test://bytes", "bytes"), |_, _| async { vec![0u8, 1] })
        .add_template(
            ServerTemplate::new(ResourceTemplate::new("test://{id}/name", "name"), |uri: ResourceUri, _| async move {
                match uri.variable("id")? {
                    "1" => Ok("Ada".to_owned()),
                    id => Err(HandlerError::not_found(format_args!("no user {id}"))),
                }
            })
            .complete("id", |it: Completing, _| async move { vec![format!("{}0", it.value)] }),
        )
        .add_prompt(
            ServerPrompt::new(
                Prompt::new("greet")
                    .description("Greets")
                    .argument(PromptArgument::new("name").required())
                    .argument(PromptArgument::new("how")),
                |args: PromptArguments, _| async move {
                    Ok::<_, HandlerError>(format!("{} {}", args.get("how").unwrap_or("hello"), args.required("name")?))
                },
            )
            .complete("how", |it: Completing, _| async move {
                let name = it.arguments.get("name").cloned().unwrap_or_default();
                vec![format!("{}{name}", it.value)]
            }),
        )
}

const LEGACY: Revision = Revision::V2025_11_25;
const MODERN: Revision = Revision::V2026_07_28;

fn cx(server: &Server, revision: Revision) -> Context {
    let caller =
        Caller { revision, capabilities: ClientCapabilities::default(), info: None, log: LogFilter::new(None) };
    let shared = Shared::new(server.clone(), ServeOptions::default());
    let id = Id::from_json(b"1").unwrap();
    let asker = Asker { caller: Arc::new(caller), meta: Object::new(), shared: Arc::new(shared) };
    Context::new(id, Arc::new(asker))
}

/// What these handlers do is done at once.
fn ask(server: &Server, revision: Revision, method: &str, params: Value) -> Result<Value, Rejection> {
    let params = Params::new(RawValue::from_string(params.to_string()).ok());
    let method = server.registry.method(method).expect("it is offered");
    let answer = server.registry.answer(method, &params, cx(server, revision));
    let result = answer.now_or_never().expect("nothing to wait for")?;
    Ok(serde_json::from_str(result.get()).unwrap())
}

fn refused(server: &Server, revision: Revision, method: &str, params: Value) -> (i64, String) {
    let rejection = ask(server, revision, method, params).unwrap_err();
    (rejection.code().unwrap(), rejection.message().unwrap().to_owned())
}

fn server() -> Server {
    builder().build().unwrap()
}

#[test]
fn a_tool_is_called_with_what_it_takes() {
    let result =
        ask(&server(), LEGACY, "tools/call", json!({ "name": "divide", "arguments": { "dividend": 7, "divisor": 2 } }));
    assert_eq!(
        result.unwrap(),
        json!({ "content": [{ "type": "text", "text": "{\"quotient\":3}" }], "structuredContent": { "quotient": 3 } })
    );
    for arguments in [json!({ "name": "none" }), json!({ "name": "none", "arguments": null })] {
        assert_eq!(ask(&server(), LEGACY, "tools/call", arguments).unwrap()["content"][0]["text"], "nothing");
    }
}

#[test]
fn a_tool_that_fails_says_so_in_its_result() {
    let params = json!({ "name": "divide", "arguments": { "dividend": 7, "divisor": 0 } });
    let result = ask(&server(), LEGACY, "tools/call", params).unwrap();
    assert_eq!(
        result,
        json!({ "content": [{ "type": "text", "text": "there is nothing to divide by" }], "isError": true })
    );
}

#[test]
fn arguments_that_do_not_fit_are_named_before_the_tool_runs() {
    let params = json!({ "name": "divide", "arguments": { "dividend": "x", "divisor": 1 } });
    let result = ask(&server(), LEGACY, "tools/call", params.clone()).unwrap();
    assert_eq!(result["isError"], true, "for the model to read");
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("\"divide\"") && text.contains("/dividend") && text.contains("integer"), "{text}");
    let (code, message) = refused(&server(), Revision::V2025_06_18, "tools/call", params);
    assert!(code == -32602 && message.contains("/dividend"), "{code} {message}");
    let missing = ask(&server(), MODERN, "tools/call", json!({ "name": "divide", "arguments": {} })).unwrap();
    assert!(missing["content"][0]["text"].as_str().unwrap().contains("required"), "{missing}");
    let list = refused(&server(), MODERN, "tools/call", json!({ "name": "none", "arguments": [] }));
    assert_eq!(list, (-32602, "the arguments of a tool must be an object".to_owned()), "no call at all");
}

#[test]
fn what_is_asked_wrongly_is_refused() {
    let server = server();
    for (method, params, says) in [
        ("tools/call", json!({ "name": "no\u{1b}such" }), "no tool of the name «no\\x1bsuch»"),
        ("tools/call", json!({}), "missing field `name`"),
        ("tools/call", json!({ "name": 7 }), "name: invalid type"),
        ("prompts/get", json!({ "name": "no" }), "no prompt of the name «no»"),
        ("prompts/get", json!({ "name": "greet" }), "\"name\" is required"),
        ("prompts/get", json!({ "name": "greet", "arguments": { "name": 1 } }), "arguments"),
        ("resources/read", json!({}), "missing field `uri`"),
        ("resources/read", json!({ "uri": format!("x:{}", "y".repeat(20_000)) }), "over the limit of 16384"),
        ("tools/list", json!({ "cursor": "no" }), "begin again without one"),
        ("tools/list", json!({ "cursor": 1 }), "cursor: invalid type"),
        ("completion/complete", json!({ "ref": { "type": "ref/tool", "name": "a" } }), "ref/tool"),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "no" }, "argument": { "name": "a", "value": "" } }),
            "no prompt",
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "greet" }, "argument": { "name": "a", "value": "" } }),
            "no argument of that name",
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/resource", "uri": "test://fixed" }, "argument": { "name": "a", "value": "" } }),
            "no resource template",
        ),
    ] {
        let (code, message) = refused(&server, LEGACY, method, params);
        assert!(code == -32602 && message.contains(says), "{method}: {code} {message}");
    }
    let deep = format!("{{\"name\":\"none\",\"arguments\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = Params::new(RawValue::from_string(deep).ok());
    let answer = server.registry.answer(Method::CallTool, &deep, cx(&server, LEGACY));
    assert_eq!(answer.now_or_never().unwrap().unwrap_err().code(), Some(-32602));
}

#[test]
fn resources_are_read_by_address_or_template() {
    let server = server();
    let read =
        |uri: &str| ask(&server, LEGACY, "resources/read", json!({ "uri": uri })).map(|it| it["contents"][0].clone());
    assert_eq!(
        read("test://fixed").unwrap(),
        json!({ "uri": "test://fixed", "mimeType": "text/plain", "text": "text" })
    );
    assert_eq!(read("test://bytes").unwrap(), json!({ "uri": "test://bytes", "blob": "AAE=" }));
    assert_eq!(read("test://1/name").unwrap()["text"], "Ada");
}

#[test]
fn a_resource_that_is_not_there_has_the_error_of_its_era() {
    let server = server();
    for uri in ["test://2/name", "test://nowhere"] {
        for (revision, code) in [(LEGACY, -32002), (MODERN, -32602)] {
            let rejection = ask(&server, revision, "resources/read", json!({ "uri": uri })).unwrap_err();
            assert_eq!((rejection.code(), rejection.data()), (Some(code), Some(&json!({ "uri": uri }))));
        }
    }
}

#[test]
fn a_prompt_is_filled_in() {
    let params = json!({ "name": "greet", "arguments": { "name": "Ada", "unknown": "x" } });
    let result = ask(&server(), LEGACY, "prompts/get", params).unwrap();
    let message = json!({ "role": "user", "content": { "type": "text", "text": "hello Ada" } });
    assert_eq!(result, json!({ "description": "Greets", "messages": [message] }));
}

#[test]
fn arguments_and_variables_are_completed() {
    let complete = |reference: Value, argument: &str, context: Value| {
        let argument = json!({ "name": argument, "value": "x" });
        let params = json!({ "ref": reference, "argument": argument, "context": { "arguments": context } });
        ask(&server(), LEGACY, "completion/complete", params).unwrap()["completion"].clone()
    };
    let prompt = json!({ "type": "ref/prompt", "name": "greet" });
    let completion = complete(prompt.clone(), "how", json!({ "name": "Ada" }));
    assert_eq!(completion, json!({ "values": ["xAda"], "total": 1, "hasMore": false }));
    assert_eq!(complete(prompt, "name", json!({}))["values"], json!([]), "nobody completes it");
    let template = json!({ "type": "ref/resource", "uri": "test://{id}/name" });
    assert_eq!(complete(template, "id", json!({}))["values"], json!(["x0"]));
}

#[test]
fn lists_come_in_pages_in_the_order_of_adding() {
    let server = builder().page_size(2).build().unwrap();
    let first = ask(&server, LEGACY, "tools/list", json!({})).unwrap();
    assert_eq!((&first["tools"][0]["name"], &first["tools"][1]["name"]), (&json!("divide"), &json!("none")));
    let second = ask(&server, LEGACY, "tools/list", json!({ "cursor": first["nextCursor"] })).unwrap();
    assert_eq!((second["tools"].as_array().unwrap().len(), second.get("nextCursor")), (1, None));
    let refused = refused(&server, LEGACY, "prompts/list", json!({ "cursor": first["nextCursor"] }));
    assert_eq!(refused.0, -32602, "that of another list");
    let templates = ask(&server, LEGACY, "resources/templates/list", json!({})).unwrap();
    assert_eq!(templates, json!({ "resourceTemplates": [{ "uriTemplate": "test://{id}/name", "name": "name" }] }));
    let prompts = ask(&server, LEGACY, "prompts/list", json!({})).unwrap();
    assert_eq!(prompts["prompts"][0]["arguments"], json!([{ "name": "name", "required": true }, { "name": "how" }]));
    assert_eq!(ask(&server, LEGACY, "resources/list", json!({})).unwrap()["resources"][0]["uri"], "test://fixed");
}

#[test]
fn each_revision_gets_the_structured_content_it_knows() {
    let server = server();
    let listed = |revision, at: usize| ask(&server, revision, "tools/list", json!({})).unwrap()["tools"][at].clone();
    assert!(listed(LEGACY, 0).get("outputSchema").is_some());
    assert!(listed(Revision::V2025_03_26, 0).get("outputSchema").is_none());
    assert!(listed(LEGACY, 2).get("outputSchema").is_none(), "that of a list, which only the modern era has");
    assert_eq!(listed(MODERN, 2)["outputSchema"]["type"], "array");
    let call = |revision| ask(&server, revision, "tools/call", json!({ "name": "list" })).unwrap();
    assert_eq!(call(LEGACY), json!({ "content": [{ "type": "text", "text": "[1,2]" }] }));
    assert_eq!(call(MODERN)["structuredContent"], json!([1, 2]));
    let divide = json!({ "name": "divide", "arguments": { "dividend": 7, "divisor": 2 } });
    assert!(ask(&server, Revision::V2025_03_26, "tools/call", divide).unwrap().get("structuredContent").is_none());
}

#[test]
fn a_raw_tool_has_its_schema_as_it_is_and_has_to_keep_to_it() {
    let schema: Object = serde_json::from_str(
        r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","x-own":{"b":1,"a":[2]},
            "allOf":[{"required":["n"]}],"additionalProperties":false,"properties":{"n":{"$ref":"#/$defs/n"}},
            "$defs":{"n":{"$anchor":"n","type":"number"}}}"##,
    )
    .unwrap();
    let output = json!({ "type": "object", "required": ["ok"] }).as_object().cloned().unwrap();
    let raw = |name: &str, structured: Value| {
        ServerTool::raw(Tool::new(name, schema.clone()).output_schema(output.clone()), move |args: Object, _| {
            let structured = structured.clone();
            async move {
                if args["n"] == 0 { CallToolResult::failure("zero") } else { CallToolResult::structured(structured) }
            }
        })
    };
    let server = Server::builder("test", "1")
        .add_tool(raw("good", json!({ "ok": 1 })))
        .add_tool(raw("bad", json!({ "not ok": 1 })))
        .add_tool(ServerTool::raw(
            Tool::new("talks", schema.clone()).output_schema(output.clone()),
            |_: Object, _| async { "only" },
        ))
        .build()
        .unwrap();
    let listed = ask(&server, LEGACY, "tools/list", json!({})).unwrap();
    assert_eq!(
        listed["tools"][0]["inputSchema"].to_string(),
        Value::Object(schema).to_string(),
        "to the order of keys"
    );
    let call =
        |name: &str, n: Value| ask(&server, LEGACY, "tools/call", json!({ "name": name, "arguments": { "n": n } }));
    assert_eq!(call("good", json!(1)).unwrap()["structuredContent"], json!({ "ok": 1 }));
    assert_eq!(call("good", json!("x")).unwrap()["isError"], true);
    assert_eq!(call("bad", json!(0)).unwrap()["isError"], true, "a failure needs no structure");
    let broken = call("bad", json!(1)).unwrap_err();
    assert_eq!(broken.code(), Some(-32603));
    assert!(broken.message().unwrap().contains("\"ok\" is a required property"), "{broken}");
    let broken = call("talks", json!(1)).unwrap_err();
    assert!(broken.message().unwrap().contains("it gave no structured content"), "{broken}");
}

#[test]
fn only_what_is_there_is_declared_and_answered() {
    let empty = Server::builder("test", "1").build().unwrap();
    assert!(empty.registry.capabilities(LEGACY).as_object().is_empty());
    for method in ["tools/list", "tools/call", "resources/read", "prompts/get", "completion/complete", "no/such"] {
        assert!(empty.registry.method(method).is_none(), "{method}");
    }
    let capabilities =
        |server: &Server, revision| Value::Object(server.registry.capabilities(revision).as_object().clone());
    let full = server();
    assert_eq!(capabilities(&full, LEGACY), json!({ "tools": {}, "resources": {}, "prompts": {}, "completions": {} }));
    assert!(capabilities(&full, Revision::V2024_11_05).get("completions").is_none());
    let dynamic = Server::builder("test", "1").dynamic_tools().dynamic_resources().dynamic_prompts();
    let dynamic = dynamic.resource_updates().logging().build().unwrap();
    assert_eq!(
        capabilities(&dynamic, MODERN),
        json!({ "tools": { "listChanged": true }, "resources": { "subscribe": true, "listChanged": true },
                "prompts": { "listChanged": true }, "logging": {} })
    );
    assert_eq!(ask(&dynamic, LEGACY, "tools/list", json!({})).unwrap(), json!({ "tools": [] }));
}

#[test]
fn a_server_that_cannot_be_built_says_what_is_wrong() {
    let tool = |name: &str| ServerTool::new(name, "", |NoArguments {}, _| async {});
    let raw = |schema: Value| {
        let tool = Tool::new("raw", schema.as_object().cloned().unwrap());
        ServerTool::raw(tool, |_: Object, _| async {})
    };
    let new = || Server::builder("test", "1");
    let resource = |uri: &str| Resource::new(uri, "r");
    let template = |uri: &str| ServerTemplate::new(ResourceTemplate::new(uri, "t"), |_, _| async { "" });
    let prompt = || ServerPrompt::new(Prompt::new("p").argument(PromptArgument::new("a")), |_, _| async { "" });
    for (builder, says) in [
        (new().add_tool(tool("a")).add_tool(tool("a")), "the tool \"a\": there is one already"),
        (new().add_tool(tool("")), "the tool \"\": its name is empty"),
        (new().add_tool(tool("a\n")), "control character"),
        (new().add_tool(tool(&"a".repeat(129))), "longer than 128 bytes"),
        (new().add_tool(raw(json!({}))), "its input schema is not one of an object"),
        (
            new().add_tool(raw(json!({ "type": "object", "required": 1 }))),
            "its input schema cannot be used: at /required",
        ),
        (new().add_tool(raw(json!({ "type": "object", "$ref": "https://example.com/x" }))), "https://example.com/x"),
        (new().tool("t", "", |_: String, _| async {}), "its input schema is not one of an object"),
        (
            new().resource(resource("x:a"), |_, _| async { "" }).resource(resource("x:a"), |_, _| async { "" }),
            "already",
        ),
        (new().resource(resource("a"), |_, _| async { "" }), "does not begin with a scheme"),
        (new().resource(resource("x:a b"), |_, _| async { "" }), "a space or a control character"),
        (new().add_template(template("x:{a")), "the resource template \"x:{a\": the brace at byte 2 is not closed"),
        (new().add_template(template("x:{a}")).add_template(template("x:{a}")), "already"),
        (
            new().add_template(template("x:{a}").complete("b", |_, _| async { vec![""] })),
            "the completion of \"b\" is of a variable that the template does not have",
        ),
        (new().add_prompt(prompt()).add_prompt(prompt()), "the prompt \"p\": there is one already"),
        (
            new().prompt(
                Prompt::new("p").argument(PromptArgument::new("a")).argument(PromptArgument::new("a")),
                |_, _| async { "" },
            ),
            "its argument \"a\" is declared twice",
        ),
        (new().add_prompt(prompt().complete("b", |_, _| async { vec![""] })), "does not declare"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.starts_with("cannot offer the ") && error.contains(says), "{error}");
    }
}

#[test]
fn what_is_offered_changes_while_it_runs_and_that_is_news() {
    let server = builder().dynamic_tools().dynamic_resources().dynamic_prompts().build().unwrap();
    let changes = server.registry.watch();
    let news = || {
        let waker = std::task::Waker::noop();
        match changes.poll_take(&mut std::task::Context::from_waker(waker)) {
            std::task::Poll::Ready(news) => news,
            std::task::Poll::Pending => Vec::new(),
        }
    };
    server.add_tool(ServerTool::new("more", "", |NoArguments {}, _| async { "more" })).unwrap();
    assert_eq!(news(), [Change::Tools]);
    assert_eq!(ask(&server, LEGACY, "tools/call", json!({ "name": "more" })).unwrap()["content"][0]["text"], "more");
    assert!(server.add_tool(ServerTool::new("more", "", |NoArguments {}, _| async {})).unwrap_err().is_duplicate());
    assert_eq!(news(), []);
    assert!(server.remove_tool("more").unwrap() && !server.remove_tool("more").unwrap());
    assert_eq!(news(), [Change::Tools]);
    assert_eq!(refused(&server, LEGACY, "tools/call", json!({ "name": "more" })).0, -32602);
    server.add_resource(ServerResource::new(Resource::new("x:1", "x"), |_, _| async { "" })).unwrap();
    assert!(server.remove_resource("x:1").unwrap());
    server.add_template(ServerTemplate::new(ResourceTemplate::new("y:{z}", "y"), |_, _| async { "" })).unwrap();
    assert!(server.remove_template("y:{z}").unwrap());
    assert_eq!(news(), [Change::Resources]);
    server.add_prompt(ServerPrompt::new(Prompt::new("more"), |_, _| async { "" })).unwrap();
    assert!(server.remove_prompt("more").unwrap());
    assert_eq!(news(), [Change::Prompts]);
}

#[test]
fn what_is_fixed_stays() {
    let server = server();
    let error = server.add_tool(ServerTool::new("more", "", |NoArguments {}, _| async {})).unwrap_err();
    assert!(error.is_fixed() && error.to_string().contains("build it with dynamic_tools"), "{error}");
    let error = server.remove_prompt("greet").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot change the prompt \"greet\": this server's list does not change while it runs; build it with \
         dynamic_prompts to change it"
    );
    assert!(server.remove_resource("test://fixed").unwrap_err().is_fixed());
}

#[test]
fn a_tool_that_passes_on_gets_and_gives_what_is_written() {
    let tool = ServerTool::passing(Tool::new("pass", Object::from_iter([("type".to_owned(), "object".into())])), {
        |arguments: UnreadArguments, _| async move {
            let content = if arguments.get().contains("list") { "[]" } else { "{\"content\":[], \"x\":1.50}" };
            assert!(!arguments.get().contains("spaces") || arguments.get() == "{ \"spaces\" : 1e400 }");
            RawValue::from_string(content.to_owned())
        }
    });
    let server = Server::builder("test", "1").add_tool(tool).build().unwrap();
    let call = |params: &str| {
        let params = Params::new(RawValue::from_string(params.to_owned()).ok());
        server.registry.answer(Method::CallTool, &params, cx(&server, LEGACY)).now_or_never().unwrap()
    };
    let given = |params| call(params).unwrap().get().to_owned();
    assert_eq!(given(r#"{"name":"pass"}"#), r#"{"content":[], "x":1.50}"#);
    assert_eq!(given(r#"{"name":"pass","arguments":{ "spaces" : 1e400 }}"#), r#"{"content":[], "x":1.50}"#);
    assert_eq!(call(r#"{"name":"pass","arguments":[1]}"#).unwrap_err().code(), Some(-32602));
    assert_eq!(call(r#"{"name":"pass","arguments":{"list":1}}"#).unwrap_err().code(), Some(-32603));
}

#[test]
fn the_tool_that_was_called_last_is_the_one_that_is_offered_now() {
    let server = builder().dynamic_tools().build().unwrap();
    let (registry, mut recent) = (&server.registry, Recent::default());
    let mut again = |name: &str| registry.tool_again(name, &mut recent);
    let first = again("none").unwrap();
    assert!(Arc::ptr_eq(&first, &again("none").unwrap()));
    assert_eq!((again("divide").unwrap().name(), again("no").is_none()), ("divide", true));
    assert!(again("none").is_some());
    assert!(server.remove_tool("none").unwrap() && again("none").is_none());
    assert_eq!(Arc::strong_count(&first), 1, "nobody else has what it holds");
    server.add_tool(ServerTool::new("none", "Another", |NoArguments {}, _| async { "other" })).unwrap();
    assert!(!Arc::ptr_eq(&first, &again("none").unwrap()));
}
