"""One search under way: its stages, what each of them may cost, and what is left out and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from ipc.errors import QmdError
from ipc.protocol import Hit, SearchReply, SearchRequest
from qmd_daemon.search import calibrate, fusion, hits, judging, syntax
from qmd_daemon.search.calibrate import Evidence
from qmd_daemon.search.costs import Costs
from qmd_daemon.search.course import Course
from qmd_daemon.search.hits import CANDIDATES, Found
from qmd_daemon.search.judging import Judging
from qmd_daemon.search.meaning import Meaning, Nearest, Unfit
from qmd_daemon.search.pause import Pause
from qmd_daemon.search.scope import Scope
from qmd_daemon.search.wording import Wording
from qmd_daemon.store.lexical import LexicalQuery, LexicalReader

_Order: TypeAlias = Literal["lexical", "vector", "fused", "reranked"]
Emit = Callable[[SearchReply], Awaitable[None]]
# The first hit's evidence is so many times that of the second: of such first hits 84 to 100 % are right, on all eight
# sets, and other wordings have nothing to add.
_STRONG = 1.6
# What other wordings of the query, and what is meant by it, count beside the query itself.
_WORDING_WEIGHT = 0.5
_NO_MODEL = "no model"


class Parts(NamedTuple):
    """What searches share."""

    meaning: Meaning
    judging: Judging
    wording: Wording
    costs: Costs


class Asked:
    """Answers one request."""

    def __init__(self, request: SearchRequest, parsed: syntax.Parsed, scope: Scope, parts: Parts, pause: Pause) -> None:
        self._request = request
        self._parsed = parsed
        self._scope = scope
        self._parts = parts
        self._intent = request.intent.strip() or parsed.intent
        self._pause = pause
        self._course = Course(scope.index.name, parts.costs, request.budget_ms, request.top_k, pause)
        self._nearest: Nearest | None = None

    async def lexical(self) -> SearchReply:
        if not self._parsed.lexical:
            raise QmdError("invalid", "The query has no `lex:` line.", "`vsearch` and `query` take the others.")
        return await self._reply("lexical", await self._words(self._request.top_k))

    async def vector(self) -> SearchReply:
        if not self._parsed.vectors and not self._parsed.passages:
            raise QmdError("invalid", "There is nothing to find the meaning of.", "Write what you look for.")
        await self._pause.over()
        found = await self._near(self._request.top_k, even_if_foreign=True)
        return await self._reply("vector", await self._judged_by_vectors(found, self._evidence))

    async def hybrid(self, emit: Emit | None) -> SearchReply:
        depth = max(CANDIDATES, self._request.top_k)
        async with asyncio.TaskGroup() as group:
            finding = group.create_task(self._words(depth))
            nearing = group.create_task(self._near_or_why_not(depth))
            words = await finding
            if emit is not None:
                await emit(await self._reply("lexical", words[: self._pause.rows], done=False))
            await self._pause.over()
            more_words, more_near = await self._reworded(words, depth)
        near = nearing.result()
        fused: Sequence[Found] = words
        stage: _Order = "lexical"
        if near or more_words or more_near:
            fused, stage = self._fuse(words, near or [], more_words, more_near), "fused"
        passages = await self._to_judge(fused)
        if passages and emit is not None and stage == "fused":
            await emit(await self._reply(stage, await self._relevant(fused, words), done=False))
        reranked = await self._rerank(fused, passages) if passages else None
        if reranked is not None:
            return await self._reply("reranked", reranked)
        return await self._reply(stage, await self._relevant(fused, words))

    # -- stages --------------------------------------------------------------------------------

    async def _words(self, limit: int) -> list[Found]:
        started = time.perf_counter()
        found = await self._search_words(self._parsed, limit)
        self._course.ran("lexical", started, len(found))
        return found

    async def _near(self, limit: int, *, even_if_foreign: bool) -> list[Found]:
        started = time.perf_counter()
        questions = list(self._parsed.vectors)
        if self._intent and questions:
            questions.append(f"{questions[0]} {self._intent}")
        self._nearest = await self._parts.meaning.nearest(
            self._scope, questions, self._parsed.passages, limit, even_if_foreign=even_if_foreign
        )
        self._course.notes += self._nearest.notes
        found = self._nearest.merged(limit)
        self._course.ran("vector", started, len(found))
        return found

    async def _near_or_why_not(self, limit: int) -> list[Found] | None:
        """Vectors where they help, are there, and are there in time; None, and a stage that says why, where not."""
        if not self._parsed.vectors and not self._parsed.passages:
            return None
        await self._pause.over()
        return await self._course.within("vector", partial(self._near, limit, even_if_foreign=False))

    async def _reworded(
        self, words: Sequence[Found], depth: int
    ) -> tuple[list[fusion.Ranked], list[tuple[fusion.Ranked, list[Found]]]]:
        """The lists of other wordings: by words, and by vectors."""
        wording = self._parts.wording
        reason = self._why_not_reword(words)
        if reason:
            if self._request.expand is not False and not self._parsed.typed:
                self._course.skipped("expand", reason, tell=bool(self._request.expand))
            return [], []
        query = judging.question(self._parsed, "")
        frequency = self._scope.index.lexical_reader().frequency

        async def ask() -> tuple[list[fusion.Ranked], list[tuple[fusion.Ranked, list[Found]]]]:
            started = time.perf_counter()
            lines = await wording.lines(query, frequency, self._scope.priority, self._scope.deadline_s)
            by_words = [syntax.terms(line.text) for line in lines if line.kind == "lex"]
            more = [
                fusion.Ranked(
                    f"lex: {_short(terms)}",
                    [(one.document, one.score) for one in await self._search_words(_only(terms), depth)],
                    weight=_WORDING_WEIGHT,
                )
                for terms in by_words
            ]
            questions = [line.text for line in lines if line.kind == "vec"]
            passages = [line.text for line in lines if line.kind == "hyde"]
            near = await self._near_wordings(questions, passages, depth)
            self._course.ran("expand", started, len(lines))
            return more, near

        return await self._course.within("expand", ask) or ([], [])

    async def _near_wordings(
        self, questions: Sequence[str], passages: Sequence[str], depth: int
    ) -> list[tuple[fusion.Ranked, list[Found]]]:
        if not questions and not passages:
            return []
        try:
            near = await self._parts.meaning.nearest(self._scope, questions, passages, depth, even_if_foreign=False)
        except Unfit:
            return []
        names = [f"vec: {text}" for text in questions] + [f"hyde: {text}" for text in passages]
        return [
            (
                fusion.Ranked(
                    name[:60], [(one.document, one.score) for one in found], kind="meaning", weight=_WORDING_WEIGHT
                ),
                found,
            )
            for name, found in zip(names, near.lists, strict=False)
        ]

    def _why_not_reword(self, words: Sequence[Found]) -> str:
        """Why the query is searched as it is; empty when it is to be reworded."""
        if self._request.expand is False or self._parsed.typed:
            return "not asked for"
        if not self._parts.wording.name:
            return _NO_MODEL
        if judging.names_things(self._parsed):
            return "the query names something"
        if not self._request.expand and not self._intent and _strong(words):
            return "the words found it"
        return ""

    async def _to_judge(self, fused: Sequence[Found]) -> dict[int, str]:
        """What the reranker is to read, by document; empty, and a stage that says why, where it is not asked."""
        judge = self._parts.judging
        if self._request.rerank is False or not fused:
            return {}
        if not judge.name:
            self._course.skipped("rerank", _NO_MODEL, tell=bool(self._request.rerank))
            return {}
        if self._request.rerank is None and not judge.unasked:
            self._course.skipped("rerank", "not asked for", tell=False)
            return {}
        if not self._request.rerank and judging.names_things(self._parsed):
            self._course.skipped("rerank", "the query names something", tell=False)
            return {}
        first = fused[: self._request.candidates]
        return await self._scope.index.database.read(partial(judging.passages, found=first, parsed=self._parsed))

    async def _rerank(self, fused: Sequence[Found], passages: dict[int, str]) -> list[Found] | None:
        """The blended order; as many are judged as there is time for, but not less than fill the page."""
        judge = self._parts.judging
        query = judging.question(self._parsed, self._intent)
        chosen = dict(passages)
        while len(chosen) > self._request.top_k and not self._course.fits(
            "rerank", judge.unknown(query, list(chosen.values()))
        ):
            chosen = dict(list(chosen.items())[: max(self._request.top_k, len(chosen) // 2)])
        units = judge.unknown(query, list(chosen.values()))

        async def ask() -> list[Found]:
            started = time.perf_counter()
            probabilities = await judge.probabilities(
                query, list(chosen.values()), self._scope.priority, self._scope.deadline_s
            )
            blended = judging.blend(fused, dict(zip(chosen, probabilities, strict=True)))
            self._course.ran("rerank", started, len(chosen), units)
            return [one._replace(relevance=one.rerank) for one in blended]

        return await self._course.within("rerank", ask, units)

    # -- parts of stages -----------------------------------------------------------------------

    async def _search_words(
        self, parsed: syntax.Parsed, limit: int, allowed: Sequence[int] | None = None
    ) -> list[Found]:
        scope = self._scope
        reader = scope.index.lexical_reader()

        def search(reader: LexicalReader) -> list[Found]:
            only = scope.allowed if allowed is None else allowed
            return hits.lexical(reader, parsed, limit, scope.filter.collections, only)

        try:
            return await asyncio.to_thread(search, reader)
        except (ValueError, OSError) as error:  # damaged: built again from the truth, and asked again
            return await asyncio.to_thread(search, await scope.index.repair_lexical(reader, str(error)))

    def _fuse(
        self,
        words: Sequence[Found],
        near: Sequence[Found],
        more_words: Sequence[fusion.Ranked],
        more_near: Sequence[tuple[fusion.Ranked, list[Found]]],
    ) -> list[Found]:
        """All lists as one. A document that has the words is shown where they are, another where its chunk is."""
        started = time.perf_counter()
        chunks = {one.document: one.chunk for found in (*(found for _, found in more_near), near) for one in found}
        have_words = {one.document for one in words}
        lists = [
            fusion.Ranked("lexical", [(one.document, one.score) for one in words]),
            fusion.Ranked("vector", [(one.document, one.score) for one in near], kind="meaning"),
            *more_words,
            *(ranked for ranked, _ in more_near),
        ]
        fused = [
            Found(
                one.document,
                one.score,
                one.parts,
                None if one.document in have_words else chunks.get(one.document),
                chunks.get(one.document),
            )
            for one in fusion.fuse(lists)
        ]
        self._course.ran("fusion", started, len(fused))
        return fused

    async def _relevant(self, found: Sequence[Found], words: Sequence[Found]) -> Sequence[Found]:
        """The first hits, with their relevance where the embedding model's is known."""
        have = {one.document: one.evidence for one in words if one.evidence}

        async def evidence(_: Sequence[int]) -> dict[int, Evidence]:
            return have

        return await self._judged_by_vectors(found, evidence)

    async def _judged_by_vectors(
        self, found: Sequence[Found], evidence: Callable[[Sequence[int]], Awaitable[dict[int, Evidence]]]
    ) -> Sequence[Found]:
        """The first hits with their relevance; `evidence` is asked what the words say of these documents."""
        nearest = self._nearest
        if nearest is None or not nearest.vectors or not calibrate.known(nearest.model):
            return found
        shown = found[: self._request.top_k]
        wanted = [one.document for one in shown]
        near, words = await asyncio.gather(
            self._parts.meaning.closeness(self._scope, nearest.vectors, wanted), evidence(wanted)
        )
        judged = []
        for one in shown:
            known = words.get(one.document, calibrate.NO_WORDS)._replace(closeness=near.get(one.document))
            judged.append(one._replace(evidence=known, relevance=calibrate.relevance(known, nearest.model)))
        return judged

    async def _evidence(self, wanted: Sequence[int]) -> dict[int, Evidence]:
        """What the words say of some documents."""
        parsed = self._parsed
        if not parsed.lexical and parsed.vectors:
            parsed = _only(syntax.terms(parsed.vectors[0]))
        if not parsed.lexical or not wanted:
            return {}
        found = await self._search_words(parsed, len(wanted), wanted)
        return {one.document: one.evidence for one in found if one.evidence}

    # -- telling -------------------------------------------------------------------------------

    async def _reply(self, stage: _Order, found: Sequence[Found], *, done: bool = True) -> SearchReply:
        request = self._request
        started = time.perf_counter()
        notes = list(self._course.notes)
        chosen = [one for one in found[: request.top_k] if request.min_score is None or one.score >= request.min_score]
        if done:
            chosen, more = hits.relevant_enough(chosen, request.min_relevance)
            notes += more
        rows = await self._scope.index.database.read(
            partial(hits.rows, found=chosen, parsed=self._parsed, index=self._scope.index.name, explain=request.explain)
        )
        self._course.showed(started, len(rows))
        return SearchReply(
            results=msgspec.convert(rows, list[Hit]),
            stage=stage,
            stages=list(self._course.stages),
            notes=notes,
            done=done,
        )


def _strong(words: Sequence[Found]) -> bool:
    """Whether the first hit stands far above the second."""
    if len(words) < 2:
        return bool(words)
    first, second = (one.score / (1 - one.score) if one.score < 1 else float("inf") for one in words[:2])
    return first >= _STRONG * second


def _only(terms: LexicalQuery) -> syntax.Parsed:
    return syntax.Parsed((terms,), ())


def _short(terms: LexicalQuery) -> str:
    return " ".join(clause.text for clause in terms.clauses)[:60]
