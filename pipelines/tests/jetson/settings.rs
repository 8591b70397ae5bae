//! An element's properties: as declared, and whatever was set.

use std::{collections::BTreeMap, sync::Mutex};

use gstreamer::{glib, prelude::*};

/// As text, which may go to another thread.
#[derive(Default)]
pub struct Settings(Mutex<BTreeMap<String, String>>);

impl Settings {
    pub fn set(&self, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.0.lock().unwrap().insert(pspec.name().into(), value.serialize().unwrap().into());
    }

    pub fn get(&self, pspec: &glib::ParamSpec) -> glib::Value {
        match self.0.lock().unwrap().get(pspec.name()) {
            Some(text) => glib::Value::deserialize(text, pspec.value_type()).unwrap(),
            None => pspec.default_value().clone(),
        }
    }
}
