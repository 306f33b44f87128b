/// Setters of fields that may be absent, each named as its field and documented by a link to it.
macro_rules! setters {
    ($owner:ident { $($field:ident: $type:ty),+ }) => {
        $(
            #[doc = concat!("Sets [`", stringify!($field), "`](", stringify!($owner), "::", stringify!($field), ").")]
            #[must_use]
            pub fn $field(mut self, $field: impl Into<$type>) -> Self {
                self.$field = Some($field.into());
                self
            }
        )+
    };
}

pub(super) use setters;
