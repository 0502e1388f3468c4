"""HTSAT for inference: laion-clap's network with the same weights and numbers, and less work.

What is left out: the class head and the attention maps that the original keeps for every block. What is arranged
anew: tokens stay in the order of the attention windows, so that unshifted blocks move no data and shifted ones gather
once each way; the relative position bias and the mask of shifted windows are one constant; bicubic stretching in time
is four weighted gathers. Everything after the patch embedding may run in bfloat16. Shapes: n clips, v views of a clip
(1, or 4 for fusion), L tokens of C channels, w windows of k tokens.

Sources: Liu et al., "Swin Transformer", ICCV 2021; Chen et al., "HTS-AT", ICASSP 2022 (section 2).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Htsat(nn.Module):
    """(n, 1001, 64) or (n, v, 1001, 64) in dB → (n, n_features) float32, the mean over the last stage's tokens."""

    mel_scale: Tensor
    mel_shift: Tensor
    first_order: Tensor

    def __init__(self, original: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.stretch = TimeStretch(n_in=original.config.clip_samples // original.config.hop_size + 1, n_out=1024)
        norm = original.bn0
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        self.register_buffer("mel_scale", scale.detach())
        self.register_buffer("mel_shift", (norm.bias - norm.running_mean * scale).detach())
        self.patches = PatchEmbedding(original.patch_embed)
        self.stages = nn.ModuleList(Stage(layer, dtype) for layer in original.layers)
        self.norm = original.norm
        height, width = original.layers[0].input_resolution
        self.register_buffer("first_order", window_order(height, width, original.window_size))

    def forward(self, mel: Tensor) -> Tensor:
        """Views of one clip are fused by attention when there are four: the global view first, then three crops."""
        mel = mel[:, None] if mel.ndim == 3 else mel
        image = _image(self.stretch(torch.addcmul(self.mel_shift, mel, self.mel_scale)))
        x = self.patches(image).index_select(1, self.first_order).to(self.dtype)
        for stage in self.stages:
            x = stage(x)
        normalised: Tensor = self.norm(x.float())
        return normalised.mean(1)


class TimeStretch(nn.Module):
    """Bicubic interpolation along time, end points aligned: (..., n_in, mels) → (..., n_out, mels)."""

    taps: Tensor
    weights: Tensor

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        # What the library's own interpolation does to each unit vector; each output has four neighbouring inputs.
        matrix = functional.interpolate(torch.eye(n_in)[None, None], (n_out, n_in), mode="bicubic", align_corners=True)[
            0, 0
        ]
        position = torch.arange(n_out) * (n_in - 1) / (n_out - 1)
        first = (position.floor().long() - 1).clamp(0, n_in - 4)
        taps = first[:, None] + torch.arange(4)
        self.register_buffer("taps", taps.T.contiguous())
        self.register_buffer("weights", matrix.gather(1, taps).T[:, :, None].contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """A weighted sum of four shifted copies."""
        out = x.index_select(-2, self.taps[0]) * self.weights[0]
        for tap, weight in zip(self.taps[1:], self.weights[1:], strict=True):
            out.addcmul_(x.index_select(-2, tap), weight)
        return out


def _image(x: Tensor) -> Tensor:
    """(n, v, 1024, 64) → (n, v, 256, 256): four stretches of 256 frames below each other, mel upwards in each."""
    n_clips, n_views, n_frames, n_mels = x.shape
    return x.mT.reshape(n_clips, n_views, n_mels, 4, n_frames // 4).transpose(2, 3).reshape(n_clips, n_views, 256, 256)


class PatchEmbedding(nn.Module):
    """Patches of 4×4 to tokens: (n, v, 256, 256) → (n, L, C), in raster order.

    Fusion (Dai et al., "Attentional Feature Fusion", WACV 2021): the crops, three times coarser in time and side by
    side, are weighed against the global view token by token.
    """

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.proj, self.norm = original.proj, original.norm
        if original.enable_fusion:
            self.crop_proj = original.mel_conv2d
            self.local_attention = original.fusion_model.local_att
            self.global_attention = original.fusion_model.global_att

    def forward(self, image: Tensor) -> Tensor:
        """One view or four, the global one first."""
        x: Tensor = self.proj(image[:, :1])
        if image.shape[1] > 1:
            x = self._fused(x, image[:, 1:])
        tokens: Tensor = self.norm(x.flatten(2).mT)
        return tokens

    def _fused(self, x: Tensor, crops: Tensor) -> Tensor:
        n_clips, n_crops = crops.shape[:2]
        local = self.crop_proj(crops.flatten(0, 1)[:, None]).unflatten(0, (n_clips, n_crops))
        local = local.permute(0, 2, 3, 1, 4).flatten(3)
        local = functional.pad(local, (0, x.shape[-1] - local.shape[-1]))
        both = x + local
        weight = torch.sigmoid(self.local_attention(both) + self.global_attention(both))
        return 2 * x * weight + 2 * local * (1 - weight)


def window_order(height: int, width: int, window: int) -> Tensor:
    """(height * width,) raster positions of the tokens, window by window."""
    raster = torch.arange(height * width).view(height // window, window, width // window, window)
    return raster.transpose(1, 2).reshape(-1)


def _inverse(order: Tensor) -> Tensor:
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order))
    return inverse


class Stage(nn.Module):
    """Blocks at one resolution, then merging of 2×2 tokens: (n, L, C) → (n, L / 4, 2C), in window order throughout."""

    def __init__(self, original: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(block, dtype) for block in original.blocks)
        self.merging = PatchMerging(original.downsample, original.blocks[0].window_size, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """The last stage has no merging."""
        for block in self.blocks:
            x = block(x)
        merged: Tensor = self.merging(x)
        return merged


class PatchMerging(nn.Module):
    """Gathers four neighbours into one token, normalises and halves the channels."""

    gather: Tensor

    def __init__(self, original: Any, window: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.is_last = original is None
        if original is None:
            return
        height, width = original.input_resolution
        rank = _inverse(window_order(height, width, window))
        merged = window_order(height // 2, width // 2, min(window, height // 2))
        row, column = 2 * (merged // (width // 2)), 2 * (merged % (width // 2))
        corners = [(row + down) * width + column + right for right in (0, 1) for down in (0, 1)]
        self.register_buffer("gather", torch.stack([rank[corner] for corner in corners], 1).reshape(-1))
        self.norm = original.norm.to(dtype)
        self.reduction = original.reduction.to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(n, L, C) → (n, L / 4, 2C); the input itself in the last stage."""
        if self.is_last:
            return x
        n_clips, n_tokens, n_channels = x.shape
        merged = x.index_select(1, self.gather).view(n_clips, n_tokens // 4, 4 * n_channels)
        return linear(self.norm(merged), self.reduction)


class Block(nn.Module):
    """One Swin block: windowed attention and a two-layer perceptron, both residual, normalised before."""

    there: Tensor
    back: Tensor

    def __init__(self, original: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.norm1, self.norm2 = original.norm1.to(dtype), original.norm2.to(dtype)
        self.attention = WindowAttention(original, dtype)
        self.fc1, self.fc2 = original.mlp.fc1.to(dtype), original.mlp.fc2.to(dtype)
        self.is_shifted = original.shift_size > 0
        if self.is_shifted:
            height, width = original.input_resolution
            order = window_order(height, width, original.window_size)
            raster = torch.arange(height * width).view(height, width)
            shifted = raster.roll((-original.shift_size, -original.shift_size), (0, 1)).reshape(-1)[order]
            self.register_buffer("there", _inverse(order)[shifted])
            self.register_buffer("back", _inverse(self.there))

    def forward(self, x: Tensor) -> Tensor:
        """(n, L, C) → (n, L, C)."""
        y = self.norm1(x)
        if self.is_shifted:
            y = self.attention(y.index_select(1, self.there)).index_select(1, self.back)
        else:
            y = self.attention(y)
        x = x + y
        return x + linear(functional.gelu(linear(self.norm2(x), self.fc1)), self.fc2)


class WindowAttention(nn.Module):
    """Multi-head attention inside each window.

    `bias` (w * heads, k, k) is that of relative positions, with the mask that keeps wrapped-around tokens apart.
    """

    bias: Tensor

    def __init__(self, block: Any, dtype: torch.dtype) -> None:
        super().__init__()
        original = block.attn
        self.n_heads = original.num_heads
        self.n_tokens = original.window_size[0] * original.window_size[1]
        table = original.relative_position_bias_table[original.relative_position_index.view(-1)]
        bias = table.view(self.n_tokens, self.n_tokens, self.n_heads).permute(2, 0, 1)[None]
        n_windows = block.input_resolution[0] * block.input_resolution[1] // self.n_tokens
        mask = torch.zeros(n_windows, 1, 1) if block.attn_mask is None else block.attn_mask
        bias = (bias + mask[:, None]).reshape(-1, self.n_tokens, self.n_tokens)
        self.register_buffer("bias", bias.detach().to(dtype))
        self.qkv, self.proj = original.qkv.to(dtype), original.proj.to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(n, L, C) in window order → the same."""
        n_clips, n_all, n_channels = x.shape
        n_features = n_channels // self.n_heads
        qkv = linear(x, self.qkv).view(n_clips, -1, self.n_tokens, 3, self.n_heads, n_features)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).reshape(3, n_clips, -1, self.n_tokens, n_features)
        y = attend(q, k, v, self.bias).view(n_clips, -1, self.n_heads, self.n_tokens, n_features)
        return linear(y.transpose(2, 3).reshape(n_clips, n_all, n_channels), self.proj)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q kᵀ / √d + bias) v of (n, w * heads, k, d); for bfloat16 on the processor from batched products, which
    took 10 ms a clip where the library's fused attention took 15."""
    if not _is_bfloat16_on_cpu(q):
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    scores = torch.matmul(q * q.shape[-1] ** -0.5, k.mT).add_(bias)
    return torch.matmul(torch.softmax(scores, -1), v)


def linear(x: Tensor, layer: nn.Linear) -> Tensor:
    """(..., in) → (..., out); for bfloat16 on the processor as a 1×1 convolution, which adds the bias in one pass."""
    if not _is_bfloat16_on_cpu(x):
        return functional.linear(x, layer.weight, layer.bias)
    flat = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)
    y = functional.conv2d(flat, layer.weight[:, :, None, None], layer.bias)
    return y.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)


def _is_bfloat16_on_cpu(x: Tensor) -> bool:
    return x.dtype is torch.bfloat16 and x.device.type == "cpu"
