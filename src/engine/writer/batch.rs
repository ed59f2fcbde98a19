//! A batch that is being filled, limited by count and bytes.

use super::Delivery;

/// A batch of deliveries that is being filled.
#[derive(Debug)]
pub struct Batch {
    deliveries: Vec<Delivery>,
    /// Replacements of documents, held back until it is known whether they may be written.
    held: Vec<Delivery>,
    bytes: usize,
    most_items: usize,
    most_bytes: usize,
}

impl Batch {
    /// Creates an empty batch. It is full with `most_items` deliveries, or with documents of
    /// `most_bytes` or more; the last document may have any size.
    pub fn new(most_items: usize, most_bytes: usize) -> Batch {
        Batch { deliveries: Vec::new(), held: Vec::new(), bytes: 0, most_items, most_bytes }
    }

    /// Adds a delivery.
    pub fn push(&mut self, delivery: Delivery) {
        self.bytes += delivery.what.size();
        self.deliveries.push(delivery);
    }

    /// Holds a delivery back. It releases its room in the channel: otherwise a few large documents
    /// could block the pages that the decision waits for.
    pub fn hold(&mut self, delivery: Delivery) {
        self.held.push(Delivery { _room: None, ..delivery });
    }

    /// Adds all deliveries that were held back.
    pub fn release(&mut self) {
        for delivery in std::mem::take(&mut self.held) {
            self.push(delivery);
        }
    }

    /// Drops the deliveries that were held back, so that their leases return to the frontier.
    pub fn give_back(&mut self) {
        self.held.clear();
    }

    /// Returns the number of deliveries that are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Returns true if the batch should be written now.
    pub fn is_full(&self) -> bool {
        self.deliveries.len() >= self.most_items || self.bytes >= self.most_bytes
    }

    /// Returns true if the batch is empty.
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Returns the number of deliveries in the batch.
    pub fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// Takes all deliveries out of the batch.
    pub fn take(&mut self) -> Vec<Delivery> {
        self.bytes = 0;
        std::mem::take(&mut self.deliveries)
    }
}
