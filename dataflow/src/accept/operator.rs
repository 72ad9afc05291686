//! *Accept* as a timely operator: buffers by tick, applies a tick when its input is complete.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::{AsCollection, VecCollection};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, CapabilitySet};

use super::{Accept, Outcome, RollStep, worker_of};
use crate::directory::Directory;
use crate::intake::Arrival;

/// Which vote counts. `directories` holds every directory at every worker; `roll` and `events`
/// are exchanged by voter here. Of one time, the directory and the roll hold before the events.
pub fn accept<'scope>(
    directories: Stream<'scope, u64, Vec<Arc<Directory>>>,
    roll: Stream<'scope, u64, Vec<RollStep>>,
    events: Stream<'scope, u64, Vec<Arrival>>,
    state: Rc<RefCell<Accept>>,
) -> VecCollection<'scope, u64, Outcome, i64> {
    let mut builder = OperatorBuilder::new("Accept".to_string(), events.scope());
    let mut directories = builder.new_input(directories, Pipeline);
    let by_voter = |step: &RollStep| worker_of(step.voter);
    let mut roll = builder.new_input(roll, Exchange::new(by_voter));
    let by_voter = |arrival: &Arrival| worker_of(arrival.voter);
    let mut events = builder.new_input(events, Exchange::new(by_voter));
    let (output, stream) = builder.new_output::<Vec<(Outcome, u64, i64)>>();
    let mut output = OutputBuilder::from(output);
    builder.build(move |capabilities| {
        drop(capabilities);
        let mut held: CapabilitySet<u64> = CapabilitySet::new();
        move |frontiers| {
            let accept = &mut *state.borrow_mut();
            directories.for_each(|capability, data| {
                let tick = accept.tick(hold(&mut held, capability.retain_stamp(0)));
                tick.directory = data.pop();
            });
            roll.for_each(|capability, data| {
                let tick = accept.tick(hold(&mut held, capability.retain_stamp(0)));
                tick.roll.append(data);
            });
            events.for_each(|capability, data| {
                let tick = accept.tick(hold(&mut held, capability.retain_stamp(0)));
                // What is left is the sender's to fill again.
                data.drain(..).for_each(|event| tick.events.push(event));
            });
            let least = frontiers
                .iter()
                .flat_map(|frontier| frontier.frontier().iter().min().copied());
            let open_from = least.min().unwrap_or(u64::MAX);
            let mut output = output.activate();
            while let Some((epoch, tick)) = accept.next_closed(open_from) {
                let capability = held.delayed(&epoch);
                let mut session = output.session(&capability);
                let outcomes = accept.apply(epoch, tick);
                session.give_iterator(outcomes.map(|(outcome, change)| (outcome, epoch, change)));
            }
            let next = accept.ticks.keys().next().copied();
            held.downgrade(next.as_slice());
        }
    });
    stream.as_collection()
}

/// Keeps the capability of a message's time, and says that time.
fn hold(held: &mut CapabilitySet<u64>, message: CapabilitySet<u64>) -> u64 {
    let capability: &Capability<u64> = message.first().expect("a message has a time");
    let time = *capability.time();
    held.insert(capability.clone());
    time
}
