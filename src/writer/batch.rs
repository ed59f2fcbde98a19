//! A batch in the making: full by count or by bytes.

use super::Delivery;

/// A batch of records that is being filled.
#[derive(Debug)]
pub struct Batch {
    deliveries: Vec<Delivery>,
    /// What would replace documents, until it is known whether it may.
    held: Vec<Delivery>,
    bytes: usize,
    most_items: usize,
    most_bytes: usize,
}

impl Batch {
    /// An empty batch. It is full with `most_items` deliveries, or once its documents have
    /// `most_bytes` or more: the last one may be of any size.
    pub fn new(most_items: usize, most_bytes: usize) -> Batch {
        Batch { deliveries: Vec::new(), held: Vec::new(), bytes: 0, most_items, most_bytes }
    }

    /// Adds a delivery.
    pub fn push(&mut self, delivery: Delivery) {
        self.bytes += delivery.what.size();
        self.deliveries.push(delivery);
    }

    /// Holds a delivery back. It takes no room of the channel's any more, or a few large documents would
    /// keep out those that are waited for.
    pub fn hold(&mut self, delivery: Delivery) {
        self.held.push(Delivery { _room: None, ..delivery });
    }

    /// Adds all that was held back.
    pub fn release(&mut self) {
        for delivery in std::mem::take(&mut self.held) {
            self.push(delivery);
        }
    }

    /// Gives back what was held back: its leases are dropped.
    pub fn give_back(&mut self) {
        self.held.clear();
    }

    /// Deliveries that are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether it should be written now.
    pub fn is_full(&self) -> bool {
        self.deliveries.len() >= self.most_items || self.bytes >= self.most_bytes
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Deliveries in it.
    pub fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// What is in it; it is empty then.
    pub fn take(&mut self) -> Vec<Delivery> {
        self.bytes = 0;
        std::mem::take(&mut self.deliveries)
    }
}
