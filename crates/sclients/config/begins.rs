//! When phases begin: who waits for whom, whatever the order in which they are written.

use super::quoted::quoted;
use super::{Begins, Phase};
use crate::scenario::{Mistake, PhaseTable, Placed};
use std::time::Duration;

/// The phases so that each stands behind the one that it names, else as they are written.
///
/// # Errors
/// A name that is nobody's, or phases that wait for each other.
pub fn order(tables: &[PhaseTable]) -> Result<Vec<usize>, Mistake> {
    let named: Vec<Option<usize>> =
        tables.iter().map(|table| named(tables, table)).collect::<Result<_, _>>()?;
    behind(&named).map_err(|cycle| {
        let first = &tables[cycle[0]];
        let name = reference(first).map_or(&first.name, |(_, name)| name);
        let links = cycle.iter().map(|index| {
            let (word, name) = reference(&tables[*index]).expect("whoever waits names another");
            format!(" {word} {}", quoted(&name.it))
        });
        let links: String = links.collect();
        let own = quoted(&first.name.it);
        name.mistake(format!("phase {own} waits for itself: {own}{links}; leave one of them out"))
    })
}

/// When the phase of `table` begins, `before` being those in front of it in that order.
pub fn of(table: &PhaseTable, before: &[Phase]) -> Begins {
    let pause = table.start.as_ref().map_or(Duration::ZERO, |start| start.it);
    let find = |name: &Placed<String>| {
        let found = before.iter().position(|phase| phase.name == name.it);
        found.expect("phases stand behind those that they name")
    };
    match (&table.after, &table.with) {
        (Some(after), _) => Begins::After(find(after), pause),
        (None, Some(with)) => before[find(with)].begins.later(pause),
        (None, None) => Begins::At(pause),
    }
}

/// Which other phase `table` names, and by which key.
fn reference(table: &PhaseTable) -> Option<(&'static str, &Placed<String>)> {
    let after = table.after.as_ref().map(|name| ("after", name));
    after.or_else(|| table.with.as_ref().map(|name| ("with", name)))
}

/// The number of the phase that `table` names.
fn named(tables: &[PhaseTable], table: &PhaseTable) -> Result<Option<usize>, Mistake> {
    let Some((_, name)) = reference(table) else { return Ok(None) };
    let found = tables.iter().position(|other| other.name.it == name.it);
    found.map(Some).ok_or_else(|| {
        let why = "is not there; write a [[phase]] of that name";
        name.mistake(format!("phase {} {why}", quoted(&name.it)))
    })
}

/// All numbers, each behind the one that it names; else those that name each other in a circle.
fn behind(named: &[Option<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut order: Vec<usize> = Vec::new();
    for index in 0..named.len() {
        let mut chain = Vec::new();
        let mut next = Some(index);
        while let Some(at) = next.filter(|at| !order.contains(at)) {
            if let Some(begin) = chain.iter().position(|seen| *seen == at) {
                return Err(chain.split_off(begin));
            }
            chain.push(at);
            next = named[at];
        }
        order.extend(chain.iter().rev());
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_behind_the_one_that_it_names_and_circles_are_found() {
        for (named, found) in [
            (vec![], Ok(vec![])),
            (vec![None, None], Ok(vec![0, 1])),
            (vec![None, Some(0), Some(1)], Ok(vec![0, 1, 2])),
            (vec![Some(2), None, Some(1), Some(0)], Ok(vec![1, 2, 0, 3])),
            (vec![Some(1), Some(2), None], Ok(vec![2, 1, 0])),
            (vec![Some(0)], Err(vec![0])),
            (vec![None, Some(2), Some(1)], Err(vec![1, 2])),
            (vec![Some(1), Some(2), Some(3), Some(1)], Err(vec![1, 2, 3])),
        ] {
            assert_eq!(behind(&named), found, "{named:?}");
        }
    }
}
