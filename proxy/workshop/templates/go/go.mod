module wit_component

go 1.25

require go.bytecodealliance.org/pkg v0.4.0

// As the bindings generator ships it; of the types, those that are used.
replace go.bytecodealliance.org/pkg => ./pkg
