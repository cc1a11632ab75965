"""The concurrency of the Component Model (component-model, design/mvp: Concurrency.md and CanonicalABI.md): tasks and
their threads, subtasks, waitables, streams and futures. Names are the specification's."""
