//! A JSON object where one is meant. What serde derives for a struct takes an array of its fields' values too, which no
//! client of ours means: this takes objects alone, and keeps the names of our types out of what clients are told.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A `T` that stood there as an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::Object;
    use std::borrow::Cow;

    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Point<'a> {
        x: u64,
        #[serde(borrow)]
        name: Cow<'a, str>,
    }

    #[test]
    fn objects_alone_are_taken_and_borrowed_from() {
        let Object(point): Object<Point<'_>> = serde_json::from_str(r#"{"x":1,"name":"a","y":[]}"#).unwrap();
        assert!(point.x == 1 && matches!(point.name, Cow::Borrowed("a")));
        for text in [r#"[1,"a"]"#, "[]", "null", "1", r#""x""#, r#"[{"x":1}]"#] {
            let fault = serde_json::from_str::<Object<Point<'_>>>(text).unwrap_err().to_string();
            assert!(fault.contains("expected an object"), "{text}: {fault}");
        }
        for text in ["{}", r#"{"x":1,"x":2}"#, r#"{"x":"1"}"#] {
            let fault = serde_json::from_str::<Object<Point<'_>>>(text).unwrap_err().to_string();
            assert!(!fault.contains("Point"), "{text}: {fault}");
        }
    }
}
