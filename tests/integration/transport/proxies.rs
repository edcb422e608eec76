//! A proxy from the environment: it is named in errors, and servers in the local network bypass it.

use wiremock::matchers::any;

use super::*;
use crate::support::{CommandOutput, Project, holds};

/// Runs with this proxy in the environment.
fn through(project: &Project, proxy: &str) -> CommandOutput {
    let mut command = project.command();
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"] {
        command.env(name, proxy);
    }
    for name in ["no_proxy", "NO_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    CommandOutput::of(command.args(["run", "--config", "trial.toml", "--out", "out"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_named_in_errors_without_its_password() {
    let proxy = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(403).set_body_string("no way through")).mount(&proxy).await;
    let address = proxy.address();
    for (scheme, part) in [("http", "no way through"), ("https", "tunnel")] {
        let project = Project::with(&settings(&format!("{scheme}://models.example.test")));
        let error = through(&project, &format!("http://name:hidden-word@{address}")).refused();
        holds(&error, &[&format!("through the proxy http://{address}"), "NO_PROXY", part]);
        assert!(!error.contains("hidden-word"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_the_local_network_bypass_the_proxy() {
    let server = provider(|_| None).await;
    let port = server.address().port();
    for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
        let project = Project::with(&settings(&format!("http://{host}:{port}")));
        through(&project, "http://127.0.0.1:9").done();
    }
}
