//! Every server of ASGI applications runs one, and shows lab its requests.

use lab::exit::Exit;

use crate::support::{Project, requires};

const SERVERS: [&str; 5] = ["uvicorn", "hypercorn", "granian/asgi", "gunicorn/asgi", "gunicorn/uvicorn"];

/// Neither a framework nor a lifespan.
const APP: &str = r#"
def create_app(word):
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        body = f"{word} {scope['path']}".encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
"#;

fn scenario() -> String {
    let stack = |kind: &str| {
        let name = kind.replace('/', "-");
        format!("[[stack]]\nname   = \"{name}\"\nserver = {{ kind = \"{kind}\" }}\n\n")
    };
    format!(
        "schema = 1\nname   = \"asgi\"\n\n[app]\nasgi = \"web:create_app('hello')\"\npath = \".\"\n\n{}\
         [[check]]\nname    = \"a page\"\nrequest = {{ path = \"/caf%C3%A9?x=1\", headers = {{ Host = \"site.example\" }} }}\n\
         expect.status   = 200\nexpect.body     = \"hello /café\"\n\
         expect.upstream = {{ target = \"/caf%C3%A9?x=1\" }}\n\
         expect.app      = {{ remote_addr = \"{{client}}\", host = \"site.example\", path = \"/café\", query_string = \"x=1\" }}\n",
        SERVERS.map(stack).concat()
    )
}

#[test]
fn servers_run_asgi_applications() {
    requires!(Python);
    let project = Project::empty().with_file("web.py", APP).with_file("lab.toml", &scenario()).with_shared_cache();
    project.expect(Exit::Ok, &["provision", "lab.toml"]);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert_eq!(printed.matches("1 of 1 checks passed").count(), SERVERS.len(), "{printed}");
}
