//! Servers that die and come back, that are slow, or that refuse calls for a time.

use super::stand_in::{StandIn, wait_until};
use super::*;
use crate::support::holds;

#[test]
fn a_killed_and_restarted_server_changes_no_record() {
    let (a, mut b, c) = (StandIn::start(), StandIn::start(), StandIn::start());
    let only = StandIn::start();
    let project = Project::with(&settings(&["small", "large"], list(&[&only])));
    let one = project.trial("one", &[]).done();
    project.write("trial.toml", settings(&["small", "large"], list(&[&a, &b, &c])).text());
    let many = run_while(&project, "many", || {
        wait_until("the second server answers", || b.answered() >= 3);
        b.kill();
        let before = a.answered();
        wait_until("the others go on", || a.answered() >= before + 5);
        // From here on only the restarted server answers.
        let dead_at = b.answered();
        a.hold_after(0);
        c.hold_after(0);
        b.restart();
        wait_until("the restarted server answers", || b.answered() >= dead_at + 3);
        a.release();
        c.release();
    });
    let many = many.done();

    for table in ["records", "calls", "levels", "accuracy", "strong_calls", "fees"] {
        assert_eq!(rows(&project, "many", table), rows(&project, "one", table), "{table}");
    }
    assert_eq!(many.calls_made(), one.calls_made());

    // Each call is answered once, except for those whose answer was lost in the kill.
    let mut answers = BTreeMap::<String, usize>::new();
    for (prompt, count) in [&a, &b, &c].into_iter().flat_map(StandIn::answers) {
        *answers.entry(prompt).or_default() += count;
    }
    assert_eq!(answers.keys().collect::<Vec<_>>(), only.answers().keys().collect::<Vec<_>>());
    let again: u64 = answers.iter().map(|(prompt, count)| (*count - only.answers()[prompt]) as u64).sum();
    let lost = &manifest(&project, "many")["spent"]["unanswered_at_most"];
    let lost: u64 = lost.as_object().into_iter().flatten().filter_map(|(_, spent)| spent["calls"].as_u64()).sum();
    assert!(again <= lost, "{again} calls were answered twice, and {lost} answers were lost");

    let stated = stated(&project, "many");
    assert_eq!(stated, counted(&project, "many"));
    let hosts: BTreeSet<&str> = stated.keys().map(|(_, host)| host.as_str()).collect();
    assert_eq!(hosts, [a.host(), b.host(), c.host()].iter().map(String::as_str).collect());
    assert_eq!(stated.values().sum::<u64>(), one.calls_made() as u64);
}

#[test]
fn a_slow_server_gets_fewer_calls_and_slows_no_other() {
    let (slow, fast) = (StandIn::start(), StandIn::start());
    slow.hold_after(1);
    let project = Project::with(&settings(&["small"], list(&[&slow, &fast])));
    let output = run_while(&project, "out", || {
        wait_until("the fast server answers", || fast.answered() >= 25);
        assert_eq!((slow.answered(), slow.received()), (1, 3), "two calls are at the slow server's limit");
        slow.release();
    });
    output.done();
    assert_eq!((slow.most_in_flight(), fast.most_in_flight()), (2, 2), "concurrency = 2 at each");
}

#[test]
fn calls_go_past_an_overloaded_server_without_a_retry() {
    for (status, retry_after) in [(429, "1000"), (503, "0"), (500, "")] {
        let (busy, sound) = (StandIn::start(), StandIn::start());
        busy.fail_after(1, status, retry_after);
        let settings = settings(&["small"], list(&[&busy, &sound])).set("model.small.max_retries", 0);
        let project = Project::with(&settings);
        let output = project.trial("out", &[]).done();
        assert_eq!((busy.answered(), output.err.contains("cannot be reached")), (1, false), "{status}: {}", output.err);
        assert!(busy.received() > 1, "{status}");
        let stated = stated(&project, "out");
        assert_eq!(stated[&("small".to_owned(), sound.host())], sound.answered() as u64);
        assert_eq!(stated[&("small".to_owned(), busy.host())], 1);
    }
}

#[test]
fn a_recovered_server_is_used_again() {
    let (busy, sound) = (StandIn::start(), StandIn::start());
    busy.fail_after(1, 503, "");
    let project = Project::with(&settings(&["small"], list(&[&busy, &sound])));
    let output = run_while(&project, "out", || {
        wait_until("the busy server refuses a call", || busy.received() > 1);
        sound.hold_after(0);
        busy.release();
        wait_until("the recovered server answers", || busy.answered() >= 5);
        sound.release();
    });
    output.done();
}

#[test]
fn a_run_ends_if_all_servers_are_down() {
    let mut servers = [StandIn::start(), StandIn::start()];
    servers.iter_mut().for_each(StandIn::kill);
    let [a, b] = &servers;
    let settings = settings(&["small"], list(&[a, b])).set("model.small.max_retries", 1);
    let project = Project::with(&settings.set("arms", vec!["weak-only"]));
    let error = project.trial("out", &[]).refused();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    holds(lines[0], &[&a.base_url(), "cannot be reached: connection refused", "The other servers answer its calls"]);
    holds(lines[1], &[&b.base_url(), "cannot be reached: connection refused", "tried again, once within about"]);
    holds(lines[2], &["the same command resumes", "connection refused", "attempts at 2 servers)"]);
    for server in &mut servers {
        server.restart();
    }
    project.trial("out", &[]).done();
}

#[test]
fn requests_with_the_same_beginning_prefer_one_server() {
    let servers = [StandIn::start(), StandIn::start(), StandIn::start()];
    let [a, b, c] = &servers;
    let settings = settings(&["small"], list(&[a, b, c])).set("arms", vec!["weak-only"]).set("limits.concurrency", 2);
    let project = Project::with(&settings.clone().set("model.small.prefix_margin", 9));
    let used = |out: &str| {
        project.trial(out, &[]).done();
        stated(&project, out).len()
    };
    assert_eq!(used("preferring"), 1, "two calls in flight are within the margin and the limit");
    project.write("trial.toml", settings.text());
    assert_eq!(used("distributing"), 3);
}
