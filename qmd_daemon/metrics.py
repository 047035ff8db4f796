"""What the daemon counts as it goes. Names after the conventions of Prometheus: `qmd_`, base units, `_total`.

Labels come from closed sets (operations, codes, stages, roles), or from what the person has made (indexes,
collections); never from what somebody has sent.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from ipc.protocol import AnyRequest, Embed, Reply, Rerank, SearchReply

# Lexical searches take a millisecond or two, a first answer that loads a model a minute.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_TEXTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Metrics:
    """One for each daemon, with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "qmd_requests", "Requests that have ended, by how.", ["op", "code"], registry=self.registry
        )
        self._seconds = Histogram(
            "qmd_request_seconds", "From a request to its answer.", ["op"], buckets=_SECONDS, registry=self.registry
        )
        self._stages = Histogram(
            "qmd_stage_seconds", "One stage of a search.", ["stage"], buckets=_SECONDS, registry=self.registry
        )
        self._skipped = Counter(
            "qmd_stages_skipped", "Stages of searches that did not run.", ["stage"], registry=self.registry
        )
        self._texts = Histogram(
            "qmd_request_texts", "Texts in one request to a model.", ["op"], buckets=_TEXTS, registry=self.registry
        )
        self._refused = Counter("qmd_refused", "Requests turned away at the door.", ["code"], registry=self.registry)

    def answered(self, request: AnyRequest, code: str, seconds: float, reply: Reply | None) -> None:
        """A request has ended. `reply` is None when it was cancelled."""
        op = str(type(request).__struct_config__.tag)
        self._requests.labels(op, code).inc()
        self._seconds.labels(op).observe(seconds)
        if isinstance(request, Embed):
            self._texts.labels(op).observe(len(request.texts))
        elif isinstance(request, Rerank):
            self._texts.labels(op).observe(len(request.documents))
        if isinstance(reply, SearchReply):
            for stage in reply.stages:
                if stage.ran:
                    self._stages.labels(stage.name).observe(stage.ms / 1000)
                else:
                    self._skipped.labels(stage.name).inc()

    def refused(self, code: str) -> None:
        """Somebody was turned away: no token, another's, another Host or Origin."""
        self._refused.labels(code).inc()
