//! Schedule of a run's graph without overhead: each call starts as soon as its inputs and a slot are available.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

/// One item of the graph.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    /// Earlier positions that must be decided first.
    pub(crate) waits_for: Vec<usize>,
    /// True if the item is deferred to the strong level.
    pub(crate) deferred: bool,
}

/// Priority among calls that are ready to start.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Policy {
    /// The first call in the stream.
    StreamOrder,
    /// The call with the longest chain of dependent calls.
    CriticalPath,
}

/// End of the last call, in the unit of the latencies.
pub(crate) fn makespan(nodes: &[Node], [weak, strong]: [u64; 2], at_once: usize, policy: Policy) -> u64 {
    let mut waiters: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut open: Vec<HashSet<usize>> = nodes.iter().map(|node| node.waits_for.iter().copied().collect()).collect();
    for (position, node) in nodes.iter().enumerate() {
        for earlier in &node.waits_for {
            waiters.entry(*earlier).or_default().push(position);
        }
    }
    let time = |node: &Node| weak + if node.deferred { strong } else { 0 };
    let mut chain = vec![0; nodes.len()];
    for position in (0..nodes.len()).rev() {
        let behind = waiters.get(&position).into_iter().flatten().map(|later| chain[*later]).max();
        chain[position] = time(&nodes[position]) + behind.unwrap_or(0);
    }
    let rank = |position: usize| match policy {
        Policy::StreamOrder => (0, position),
        Policy::CriticalPath => (u64::MAX - chain[position], position),
    };
    // Calls that are ready to start: rank, and true for calls of the strong level.
    let mut ready: BTreeSet<((u64, usize), bool)> = BTreeSet::new();
    ready.extend(
        open.iter().enumerate().filter(|(_, open)| open.is_empty()).map(|(position, _)| (rank(position), false)),
    );
    let mut flying: BinaryHeap<Reverse<(u64, usize, bool)>> = BinaryHeap::new();
    let mut now = 0;
    loop {
        while flying.len() < at_once
            && let Some(((_, position), is_strong)) = ready.pop_first()
        {
            flying.push(Reverse((now + if is_strong { strong } else { weak }, position, is_strong)));
        }
        let Some(Reverse((end, position, is_strong))) = flying.pop() else { return now };
        now = end;
        if nodes[position].deferred && !is_strong {
            ready.insert((rank(position), true));
            continue;
        }
        for later in waiters.remove(&position).unwrap_or_default() {
            open[later].remove(&position);
            if open[later].is_empty() {
                ready.insert((rank(later), false));
            }
        }
    }
}
