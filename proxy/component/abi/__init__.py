"""The canonical ABI (component-model, design/mvp/CanonicalABI.md) as generated Python: one function per function
type."""
