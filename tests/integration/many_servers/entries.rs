//! Entries with several servers: faults of a list, identity, descriptions, and the check of each server.

use super::stand_in::StandIn;
use super::*;
use crate::support::holds;

#[test]
fn a_faulty_list_is_refused_with_the_number_of_the_entry() {
    let good = "http://127.0.0.1:9/v1";
    for (list, expected) in [
        (vec![good, "ftp://127.0.0.1/v1"], "entry 2 of base_url must begin with http:// or https://"),
        (vec!["nonsense", good], "entry 1 of base_url is not an address"),
        (vec![good, "http://user:sk-secret-0123@127.0.0.1:8/v1"], "entry 2 of base_url must carry no key"),
        (
            vec![good, "http://127.0.0.1:8/v1", "http://127.0.0.1:9/v1/"],
            "entries 1 and 3 of base_url are the same server",
        ),
        (vec![], "base_url is an empty list: name at least one server"),
    ] {
        let project = Project::with(&settings(&["small"], list));
        let error = project.trial("out", &[]).refused_in_one_line();
        holds(&error, &["small", expected]);
        assert!(!error.contains("sk-secret"), "{error}");
    }
    let project = Project::with(&settings(&["small"], "http://127.0.0.1:9/v1").set("model.small.base_url", 5));
    holds(&project.trial("out", &[]).refused(), &["base_url", "a text or a list of texts"]);
    let missing = settings(&["small"], "http://no-such-host.invalid/v1").set("model.small.resolve_all", true);
    let error = Project::with(&missing).trial("out", &[]).refused();
    holds(&error, &["`small`", "resolve_all: the host name no-such-host.invalid has no address"]);
}

#[test]
fn servers_can_be_added_and_removed_during_a_run() {
    let [a, b, mut c] = [StandIn::start(), StandIn::start(), StandIn::start()];
    let project = Project::with(&settings(&["small", "large"], list(&[&a, &b])));
    let first = project.trial("out", &[]).done();
    assert!(first.calls_made() > 0);
    let (records, identity) = (rows(&project, "out", "records"), manifest(&project, "out")["identity"].clone());
    assert!(!identity.to_string().contains("127.0.0.1"), "{identity}");
    c.kill();
    for servers in [vec![&c], vec![&b], vec![&c, &b, &a]] {
        project.write("trial.toml", settings(&["small", "large"], list(&servers)).text());
        assert_eq!(project.trial("out", &[]).done().calls_made(), 0, "all answers are in the journal");
        assert_eq!(
            (rows(&project, "out", "records"), &manifest(&project, "out")["identity"]),
            (records.clone(), &identity)
        );
    }
    // The table and the manifest still say which server answered.
    let hosts: BTreeSet<String> = stated(&project, "out").into_keys().map(|(_, host)| host).collect();
    assert_eq!(hosts, [a.host(), b.host()].into());
    assert_eq!(stated(&project, "out"), counted(&project, "out"));
    // One address without a list is another run.
    project.write("trial.toml", settings(&["small", "large"], a.base_url()).text());
    holds(&project.trial("out", &[]).refused(), &["base_url"]);
}

#[test]
fn each_ip_address_of_a_host_name_can_be_a_server() {
    let server = StandIn::start();
    let name = server.base_url().replace("127.0.0.1", "localhost");
    let settings = settings(&["small"], name.clone()).set("model.small.resolve_all", true);
    let project = Project::with(&settings);
    holds(&project.trial("out", &["--dry-run"]).done().out, &[&format!("servers of small: {name} (each IP address")]);
    project.trial("out", &[]).done();
    assert_eq!(stated(&project, "out").into_keys().collect::<Vec<_>>(), [("small".to_owned(), server.host())]);
    // The name remains the identity, so the key changes no run.
    project.write("trial.toml", settings.without("model.small.resolve_all").text());
    assert_eq!(project.trial("out", &[]).done().calls_made(), 0);
}

#[test]
fn descriptions_and_checks_have_a_line_for_each_server() {
    let (good, mut dead) = (StandIn::start(), StandIn::start());
    dead.kill();
    let project = Project::with(&settings(&["small"], list(&[&good, &dead])));
    let planned = project.trial("out", &["--dry-run"]).done();
    holds(&planned.out, &[&format!("servers of small: {}, {}", good.base_url(), dead.base_url())]);
    let check = project.run(&["models", "check", "small", "--config", "trial.toml"]);
    assert_eq!(check.code, 1, "{}{}", check.out, check.err);
    let lines: Vec<&str> = check.out.lines().collect();
    holds(lines[0], &[&format!("{}, {}", good.base_url(), dead.base_url())]);
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).expect("a line");
    let second = at(&format!("server             {}", dead.base_url()));
    assert!(at(&format!("server             {}", good.base_url())) < second);
    assert!(at("reachable          yes") < second && at("reachable          NO: ") > second, "{}", check.out);
}
