async fn host(command: Command) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    let client = ().serve(ChildProcess::new(command)?).await?;
    let mut said = Vec::new();
    for tool in client.list_all_tools().await? {
        said.push(tool.name.to_string());
    }
    let mut call = CallToolRequestParams::new("echo");
    call.arguments = json!({ "message": "hello" }).as_object().cloned();
    for content in client.call_tool(call).await?.content {
        said.extend(content.as_text().map(|text| text.text.clone()));
    }
    client.cancel().await?;
    Ok(said)
}
