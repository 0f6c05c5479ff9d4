//! The table of targets: dense slots with generations, free slots reused last in, first out.

use crate::target::DispatchId;

/// What lives in a slot.
#[derive(Debug)]
enum Tenant<T> {
    /// Nobody; the next free slot, if any.
    Free(Option<u32>),
    /// A target.
    Home(T),
    /// A target whose handler is running: it is out, the slot is still its own.
    Out,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    tenant: Tenant<T>,
}

/// The table. Memory: one slot per target that ever lived at the same time.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Option<u32>,
    occupied: usize,
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: None, occupied: 0 }
    }

    pub(crate) fn reserve(&mut self, targets: usize) {
        self.slots.reserve_exact(targets.saturating_sub(self.slots.len()));
    }

    /// Targets that live here, those that are out included.
    pub(crate) const fn occupied(&self) -> usize {
        self.occupied
    }

    /// Claims a slot for a target that will be [`Slots::put_back`]; it is out until then.
    pub(crate) fn claim(&mut self) -> DispatchId {
        let slot = self.free.unwrap_or_else(|| self.grow());
        let entry = &mut self.slots[slot as usize];
        let Tenant::Free(next) = entry.tenant else {
            unreachable!("the free list holds free slots")
        };
        self.free = next;
        entry.tenant = Tenant::Out;
        self.occupied += 1;
        DispatchId { slot, generation: entry.generation }
    }

    fn grow(&mut self) -> u32 {
        let slot = u32::try_from(self.slots.len()).expect("fewer than 2^32 targets");
        self.slots.push(Slot { generation: 0, tenant: Tenant::Free(None) });
        slot
    }

    /// Takes the target out of its slot, which stays its own; none if it is gone or out already.
    pub(crate) fn take(&mut self, id: DispatchId) -> Option<T> {
        let slot = self.slots.get_mut(id.slot()).filter(|slot| slot.generation == id.generation)?;
        match std::mem::replace(&mut slot.tenant, Tenant::Out) {
            Tenant::Home(target) => Some(target),
            other => {
                slot.tenant = other;
                None
            }
        }
    }

    /// Puts a target back into its slot; gives it back if the slot was freed meanwhile.
    pub(crate) fn put_back(&mut self, id: DispatchId, target: T) -> Result<(), T> {
        match self.slots.get_mut(id.slot()) {
            Some(slot) if slot.generation == id.generation => {
                slot.tenant = Tenant::Home(target);
                Ok(())
            }
            _ => Err(target),
        }
    }

    /// Frees the slot; the outer value is whether `id` lived there, the inner the target if it was
    /// at home.
    pub(crate) fn free(&mut self, id: DispatchId) -> Option<Option<T>> {
        let slot = self.slots.get_mut(id.slot()).filter(|slot| slot.generation == id.generation)?;
        if matches!(slot.tenant, Tenant::Free(_)) {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        let tenant = std::mem::replace(&mut slot.tenant, Tenant::Free(self.free));
        self.free = Some(id.slot);
        self.occupied -= 1;
        match tenant {
            Tenant::Home(target) => Some(Some(target)),
            _ => Some(None),
        }
    }

    pub(crate) fn target_mut(&mut self, id: DispatchId) -> Option<&mut T> {
        match self.slots.get_mut(id.slot()) {
            Some(Slot { generation, tenant: Tenant::Home(target) })
                if *generation == id.generation =>
            {
                Some(target)
            }
            _ => None,
        }
    }

    /// The id of whoever lives in `slot`.
    pub(crate) fn id_at(&self, slot: usize) -> Option<DispatchId> {
        let entry =
            self.slots.get(slot).filter(|entry| !matches!(entry.tenant, Tenant::Free(_)))?;
        Some(DispatchId { slot: slot as u32, generation: entry.generation })
    }

    /// All who are at home, by slot.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| match &slot.tenant {
            Tenant::Home(target) => Some(target),
            _ => None,
        })
    }

    /// The ids of all who live here, by slot.
    pub(crate) fn ids(&self) -> impl Iterator<Item = DispatchId> + '_ {
        (0..self.slots.len()).filter_map(|slot| self.id_at(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inhabited(slots: &mut Slots<char>, target: char) -> DispatchId {
        let id = slots.claim();
        slots.put_back(id, target).unwrap();
        id
    }

    #[test]
    fn a_freed_slot_is_reused_under_another_generation() {
        let mut slots = Slots::new();
        let a = inhabited(&mut slots, 'a');
        assert_eq!(slots.free(a), Some(Some('a')));
        let b = inhabited(&mut slots, 'b');
        assert_eq!(b.slot(), a.slot());
        assert_ne!(a, b);
        assert_eq!(slots.take(a), None);
        assert_eq!(slots.take(b), Some('b'));
    }

    #[test]
    fn a_target_that_is_out_when_its_slot_is_freed_does_not_come_back() {
        let mut slots = Slots::new();
        let a = inhabited(&mut slots, 'a');
        let out = slots.take(a).unwrap();
        assert_eq!(slots.free(a), Some(None));
        let b = inhabited(&mut slots, 'b');
        assert_eq!(slots.put_back(a, out), Err('a'));
        assert_eq!(slots.target_mut(b), Some(&mut 'b'));
        assert_eq!(slots.occupied(), 1);
    }

    #[test]
    fn freeing_twice_is_ignored() {
        let mut slots = Slots::new();
        let a = inhabited(&mut slots, 'a');
        assert!(slots.free(a).is_some());
        assert!(slots.free(a).is_none());
        assert_eq!(slots.ids().count(), 0);
    }
}
