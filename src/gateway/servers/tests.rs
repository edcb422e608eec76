//! Tests of the choice of a server.

use std::num::NonZeroU32;

use super::*;

const OPEN: QueueSettings = QueueSettings { cap: 4, local: false, probed: false };

/// Failures with waits of 1, 2, 4, … up to 5 seconds.
const GROWING: Setback =
    Setback { first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(5), requested: None };

fn servers(count: usize) -> Servers {
    Servers::new(OPEN, ServerSettings { count, ..ServerSettings::default() })
}

/// Begins calls until no server has room. Returns the server of each.
fn fill(servers: &mut Servers, now: Instant) -> Vec<usize> {
    let demand = Demand::default();
    let next = |()| {
        let server = servers.choose(&demand, now)?;
        servers.begin(server, &demand, now);
        Some(server)
    };
    std::iter::repeat(()).map_while(next).collect()
}

fn calls(begun: &[usize], server: usize) -> usize {
    begun.iter().filter(|index| **index == server).count()
}

fn after(now: Instant, seconds: f64) -> Instant {
    now + Duration::from_secs_f64(seconds)
}

#[test]
fn equally_loaded_servers_take_turns_up_to_the_limit_of_each() {
    let mut servers = servers(3);
    assert_eq!(fill(&mut servers, Instant::now()), [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    assert_eq!(servers.in_flight(), 12);
    // Idle servers take turns as well.
    let mut idle = self::servers(3);
    let now = Instant::now();
    let one_by_one = |_| {
        let server = idle.choose(&Demand::default(), now).expect("room");
        idle.begin(server, &Demand::default(), now);
        idle.end(server);
        server
    };
    assert_eq!((0..5).map(one_by_one).collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
}

#[test]
fn the_server_with_the_fewest_calls_relative_to_its_limit_is_next() {
    let now = Instant::now();
    let mut servers = servers(2);
    fill(&mut servers, now);
    for index in [1, 1, 1] {
        servers.end(index);
    }
    assert_eq!(fill(&mut servers, now), [1, 1, 1], "the faster server");
    // With a window of half the size the same share is half of the calls.
    servers.list[0].window = 2.0;
    (0..4).for_each(|_| servers.end(0));
    (0..4).for_each(|_| servers.end(1));
    let begun = fill(&mut servers, now);
    assert_eq!((calls(&begun, 0), calls(&begun, 1)), (2, 4));
    assert_eq!((calls(&begun[..3], 0), calls(&begun[..3], 1)), (1, 2));
}

#[test]
fn an_overloaded_server_is_slowed_alone() {
    let now = Instant::now();
    let mut servers = servers(2);
    fill(&mut servers, now);
    let consequence = servers.failed(0, 0, &GROWING, now);
    servers.end(0);
    let second = Duration::from_secs(1);
    assert_eq!(consequence, Consequence { halved: Some(2), aside: Some(second), elsewhere: true });
    // The other calls of the same time belong to the same overload.
    let again = servers.failed(0, 0, &GROWING, now);
    assert_eq!(again, Consequence { halved: None, aside: None, elsewhere: true });
    (0..3).for_each(|_| servers.end(0));
    (0..4).for_each(|_| servers.end(1));
    assert_eq!(fill(&mut servers, now), [1, 1, 1, 1], "the other one keeps its limit");
    assert_eq!(servers.next_room(&Demand::default(), now), Some(now + second));
}

#[test]
fn a_failing_server_is_tried_with_one_call_after_growing_waits() {
    let mut now = Instant::now();
    let mut servers = servers(2);
    for wait in [1, 2, 4, 5, 5] {
        let halvings = servers.begin(0, &Demand::default(), now);
        let consequence = servers.failed(0, halvings, &GROWING, now);
        servers.end(0);
        assert_eq!(consequence.aside, Some(Duration::from_secs(wait)));
        assert!(!fill(&mut servers, now).contains(&0), "set aside");
        (0..servers.list[1].in_flight).for_each(|_| servers.end(1));
        now = after(now, f64::from(u32::try_from(wait).expect("a few")));
    }
    let begun = fill(&mut servers, now);
    assert_eq!((calls(&begun, 0), calls(&begun, 1)), (1, 4), "one call tries it");
    servers.answered(0);
    servers.end(0);
    assert_eq!(fill(&mut servers, now), [0, 0], "it has answered, and its window grows");
}

#[test]
fn a_call_goes_elsewhere_only_if_another_server_is_sound() {
    let now = Instant::now();
    let mut servers = servers(2);
    assert!(servers.failed(0, 0, &GROWING, now).elsewhere);
    assert!(!servers.failed(1, 0, &GROWING, now).elsewhere, "both have failed");
    servers.answered(0);
    assert!(servers.failed(1, 1, &GROWING, now).elsewhere);
    let mut only = self::servers(1);
    assert_eq!(only.failed(0, 0, &GROWING, now), Consequence { halved: Some(1), aside: None, elsewhere: false });
    assert_eq!(fill(&mut only, now), [0], "the only server is never set aside");
}

#[test]
fn a_requested_wait_pauses_the_server_that_requested_it() {
    let now = Instant::now();
    for (requested, waited) in [(3.0, 3.0), (60.0, 5.0), (0.0, 1.0)] {
        let mut servers = servers(2);
        let setback = Setback { requested: Some(Duration::from_secs_f64(requested)), ..GROWING };
        let _ = servers.failed(1, 0, &setback, now);
        assert_eq!(fill(&mut servers, now), [0; 4]);
        assert_eq!(servers.next_room(&Demand::default(), now), Some(after(now, waited)));
        assert_eq!(fill(&mut servers, after(now, waited)), [1]);
    }
    let mut only = self::servers(1);
    let _ = only.failed(0, 0, &Setback { requested: Some(Duration::from_secs(2)), ..GROWING }, now);
    assert_eq!((fill(&mut only, now).len(), fill(&mut only, after(now, 2.0)).len()), (0, 1));
}

#[test]
fn limits_per_minute_hold_for_each_server() {
    let now = Instant::now();
    // One request at once, and one more each second, at each of two servers.
    let limits = ServerSettings { count: 2, requests_per_minute: NonZeroU32::new(60), ..ServerSettings::default() };
    let mut servers = Servers::new(OPEN, limits);
    assert_eq!(fill(&mut servers, now), [0, 1]);
    assert_eq!(servers.next_room(&Demand::default(), now), Some(after(now, 1.0)));
    assert_eq!(fill(&mut servers, after(now, 1.0)), [0, 1]);
}

#[test]
fn the_first_call_of_a_model_runs_alone_and_then_the_first_at_each_server() {
    let now = Instant::now();
    let settings = QueueSettings { probed: true, ..OPEN };
    let mut servers = Servers::new(settings, ServerSettings { count: 3, ..ServerSettings::default() });
    assert_eq!(fill(&mut servers, now), [0]);
    servers.answered(0);
    servers.end(0);
    let begun = fill(&mut servers, now);
    assert_eq!([0, 1, 2].map(|index| calls(&begun, index)), [4, 1, 1]);
    servers.answered(2);
    servers.end(2);
    assert_eq!(fill(&mut servers, now), [2; 4]);
}

#[test]
fn a_preferred_server_takes_calls_up_to_the_margin() {
    let now = Instant::now();
    let preferring = |margin| {
        let settings = QueueSettings { cap: 9, ..OPEN };
        Servers::new(settings, ServerSettings { count: 3, prefix_margin: Some(margin), ..ServerSettings::default() })
    };
    let mut servers = preferring(2);
    let begun = fill(&mut servers, now);
    let preferred = begun[0];
    assert_eq!(calls(&begun[..3], preferred), 3, "{begun:?}");
    assert_ne!(begun[3], preferred, "more than two above the least busy one");
    assert_eq!(begun.len(), 27);
    // Every beginning has its server, and all servers are used.
    let first = |prefix| preferring(0).choose(&Demand { tokens: 0, prefix }, now).expect("room");
    let chosen: std::collections::BTreeSet<usize> = (0..32).map(first).collect();
    assert_eq!(chosen.len(), 3);
    assert_eq!(first(7), first(7));
    // A paused server is not waited for.
    let mut paused = preferring(2);
    paused.pause(preferred, after(now, 9.0));
    assert!(!fill(&mut paused, now).contains(&preferred));
}

#[test]
fn the_system_text_or_the_first_bytes_are_the_beginning() {
    use crate::types::chat::{Generation, Message, Mode, RequestKind};
    let prefix = |messages: &[(Role, &str)]| {
        let message = |(role, content): &(Role, &str)| Message { role: *role, content: (*content).to_owned() };
        let messages = messages.iter().map(message).collect();
        let mode = Mode::Generate(Generation::default());
        Demand::of(&Request {
            item: "0".into(),
            messages,
            mode,
            wanted: RequestKind::Answer,
            draw: 0,
            strategies: vec![],
        })
        .prefix
    };
    let system = prefix(&[(Role::System, "Be brief."), (Role::User, "1 + 1?")]);
    assert_eq!(system, prefix(&[(Role::System, "Be brief."), (Role::User, "2 + 2?")]));
    assert_ne!(system, prefix(&[(Role::System, "Be long."), (Role::User, "1 + 1?")]));
    let shared = "é".repeat(PREFIX_BYTES / 2);
    let plain = |end: &str| prefix(&[(Role::User, &format!("{shared}{end}"))]);
    assert_eq!(plain("1 + 1?"), plain("2 + 2?"));
    assert_ne!(plain(""), prefix(&[(Role::User, "1 + 1?")]));
}
