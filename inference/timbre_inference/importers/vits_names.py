"""Names of the paper's VITS code, and of Piper's, against ours: the one place that knows both."""

from __future__ import annotations

import re

_RULES: tuple[tuple[str, str], ...] = (
    (r"enc_p\.emb\.weight", "text_encoder.embedding.weight"),
    (r"enc_p\.encoder\.attn_layers\.(\d+)\.conv_q\.", r"text_encoder.layers.\1.attention.query."),
    (r"enc_p\.encoder\.attn_layers\.(\d+)\.conv_k\.", r"text_encoder.layers.\1.attention.key."),
    (r"enc_p\.encoder\.attn_layers\.(\d+)\.conv_v\.", r"text_encoder.layers.\1.attention.value."),
    (r"enc_p\.encoder\.attn_layers\.(\d+)\.conv_o\.", r"text_encoder.layers.\1.attention.output."),
    (r"enc_p\.encoder\.attn_layers\.(\d+)\.emb_rel_k", r"text_encoder.layers.\1.attention.relative_keys"),
    (r"enc_p\.encoder\.attn_layers\.(\d+)\.emb_rel_v", r"text_encoder.layers.\1.attention.relative_values"),
    (r"enc_p\.encoder\.norm_layers_1\.(\d+)\.", r"text_encoder.layers.\1.attention_norm."),
    (r"enc_p\.encoder\.norm_layers_2\.(\d+)\.", r"text_encoder.layers.\1.feed_forward_norm."),
    (r"enc_p\.encoder\.ffn_layers\.(\d+)\.conv_1\.", r"text_encoder.layers.\1.feed_forward.expand."),
    (r"enc_p\.encoder\.ffn_layers\.(\d+)\.conv_2\.", r"text_encoder.layers.\1.feed_forward.contract."),
    (r"enc_p\.proj\.", "text_encoder.project."),
    (r"dp\.pre\.", "duration_predictor.enter."),
    (r"dp\.proj\.", "duration_predictor.project."),
    (r"dp\.flows\.0\.m", "duration_predictor.affine.mean"),
    (r"dp\.flows\.0\.logs", "duration_predictor.affine.log_std"),
    (r"dp\.flows\.(\d+)\.pre\.", r"duration_predictor.couplings.\1.enter."),
    (r"dp\.flows\.(\d+)\.proj\.", r"duration_predictor.couplings.\1.project."),
    (r"dp\.flows\.(\d+)\.convs\.", r"duration_predictor.couplings.\1.body."),
    (r"dp\.convs\.", "duration_predictor.body."),
    (r"flow\.flows\.(\d+)\.pre\.", r"flow.couplings.\1.enter."),
    (r"flow\.flows\.(\d+)\.post\.", r"flow.couplings.\1.leave."),
    (r"flow\.flows\.(\d+)\.enc\.in_layers\.", r"flow.couplings.\1.wavenet.gates."),
    (r"flow\.flows\.(\d+)\.enc\.res_skip_layers\.", r"flow.couplings.\1.wavenet.residual_skips."),
    (r"dec\.conv_pre\.", "vocoder.first."),
    (r"dec\.conv_post\.", "vocoder.last."),
    (r"dec\.ups\.", "vocoder.upsamples."),
    (r"dec\.resblocks\.(\d+)\.convs\.", r"vocoder.fusions.\1.dilated."),
    (r"dec\.resblocks\.(\d+)\.convs1\.", r"vocoder.fusions.\1.dilated."),
    (r"dec\.resblocks\.(\d+)\.convs2\.", r"vocoder.fusions.\1.plain."),
)
_LEAVES = (
    (".convs_sep.", ".depthwise."),
    (".convs_1x1.", ".pointwise."),
    (".norms_1.", ".depth_norms."),
    (".norms_2.", ".point_norms."),
    (".gamma", ".weight"),
    (".beta", ".bias"),
)


def our_name(name: str, blocks_per_upsample: int) -> str:
    """The name in `Vits` of a tensor of the paper's code; KeyError for a name that belongs to no part of it.

    The paper counts flips among its flow steps and residual blocks across all upsamplings; we don't.
    """
    for pattern, replacement in _RULES:
        if (match := re.match(pattern, name)) is None:
            continue
        renamed = match.expand(replacement) + name[match.end() :]
        for theirs, ours in _LEAVES:
            renamed = renamed.replace(theirs, ours)
        return _renumber(renamed, blocks_per_upsample)
    raise KeyError(name)


def _renumber(name: str, blocks_per_upsample: int) -> str:
    def flow(match: re.Match[str]) -> str:
        return f"flow.couplings.{int(match[1]) // 2}"

    def duration(match: re.Match[str]) -> str:
        # Steps 3, 5, 7 of the paper; step 1 is never used in sampling.
        return f"duration_predictor.couplings.{(int(match[1]) - 3) // 2}"

    def fusion(match: re.Match[str]) -> str:
        upsample, block = divmod(int(match[1]), blocks_per_upsample)
        return f"vocoder.fusions.{upsample}.{block}"

    name = re.sub(r"^flow\.couplings\.(\d+)", flow, name)
    name = re.sub(r"^duration_predictor\.couplings\.(\d+)", duration, name)
    return re.sub(r"^vocoder\.fusions\.(\d+)", fusion, name)
