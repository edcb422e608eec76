//! Which settings a server refuses: by what it complains of, else by leaving all out and putting each back.

use super::ask::{Asker, Sent, Switch};
use crate::backend::openai::probe::Exchange;

/// Settings that the server answers to.
pub(super) struct Settled {
    /// What was sent.
    pub(super) sent: Sent,
    /// What came back.
    pub(super) exchange: Exchange,
    /// The settings that had to be left out.
    pub(super) off: Vec<Switch>,
    /// What the server said when one of them was sent, if it said so then.
    pub(super) reasons: Vec<(Switch, String)>,
}

/// Finds the fewest settings without which the server answers; `None` if it refuses without all of them too.
pub(super) async fn settle(asker: &mut Asker, sent: &Sent, first: Exchange) -> Option<Settled> {
    let mut off: Vec<Switch> = Vec::new();
    let mut refusal = first;
    let mut reasons = Vec::new();
    loop {
        let words = refusal.said.to_lowercase();
        let meant = |switch: &Switch| {
            switch.is_on(sent) && !off.contains(switch) && switch.words().iter().any(|word| words.contains(word))
        };
        let Some(switch) = Switch::ALL.into_iter().find(meant) else { break };
        off.push(switch);
        reasons.push((switch, refusal.message));
        let exchange = asker.ask(&sent.without(&off)).await.ok()?;
        if exchange.answered() {
            return Some(Settled { reasons, ..fewest(asker, sent, off, exchange).await });
        }
        refusal = exchange;
    }
    let all: Vec<Switch> = Switch::ALL.into_iter().filter(|switch| switch.is_on(sent)).collect();
    let mut tried = vec![all.clone()];
    // A server may know one name of the token limit alone.
    tried.push(all.into_iter().filter(|switch| *switch != Switch::TokenLimit).collect());
    for off in tried {
        let exchange = asker.ask(&sent.without(&off)).await.ok()?;
        if exchange.answered() {
            return Some(fewest(asker, sent, off, exchange).await);
        }
    }
    None
}

/// Puts each setting back that need not be left out.
async fn fewest(asker: &mut Asker, sent: &Sent, mut off: Vec<Switch>, mut exchange: Exchange) -> Settled {
    // One alternative first: more of them can only be refused where log-probabilities are sent.
    let mut order = off.clone();
    order.sort_by_key(|switch| *switch == Switch::Alternatives);
    for switch in order {
        if off.len() == 1 {
            break;
        }
        let fewer: Vec<Switch> = off.iter().copied().filter(|other| *other != switch).collect();
        if let Ok(found) = asker.ask(&sent.without(&fewer)).await
            && found.answered()
        {
            (off, exchange) = (fewer, found);
        }
    }
    Settled { sent: sent.without(&off), exchange, off, reasons: Vec::new() }
}
