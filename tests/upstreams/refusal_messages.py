"""Messages of refusals as services and relays write them, in several languages and without any code."""

from collections.abc import Mapping
from typing import Final

from service.upstreams.kinds import Kind

MESSAGES: Final[Mapping[Kind, tuple[tuple[int, str], ...]]] = {
    Kind.QUOTA: (
        (403, "您的账户余额不足，请充值"),
        (402, "Payment Required"),
        (
            400,
            "Error code: 400 - {'error': {'message': 'Billing hard limit has been reached'}}",
        ),
        (500, "openai_error: You exceeded your current quota"),
        (401, "Your credit balance is too low to access the API"),
        (400, "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing"),
        (403, "subscription expired"),
        (429, "今日生图次数已用完，请明天再试"),
        (429, "每日免费额度已用尽"),
        (400, "点数不足"),
        (403, "積分不足，請儲值"),
        (403, "您的帳戶餘額不足"),
        (500, "upstream returned 403: insufficient_user_quota"),
        (403, "quota exceeded for image generation"),
        (400, "exceeded_current_quota_error"),
    ),
    Kind.BLOCKED: (
        (403, "Sorry, you have been blocked. You are unable to access api.example.com"),
        (403, "This model is not available in your region"),
        (403, "error code: 1020"),
    ),
    Kind.MODEL: (
        (400, "model not found: x"),
        (404, "The model 'x' was not found"),
        (400, "Model x is not supported"),
        (503, "There are no available channels for model x under the current group vip"),
        (500, "无可用渠道"),
    ),
    Kind.FORBIDDEN: (
        (403, "Model not allowed: x"),
        (403, "your account's tier does not include gpt-image-1"),
    ),
    Kind.POLICY: (
        (400, "This request has been blocked by our content filters."),
        (500, "内容审核未通过"),
        (400, "prompt contains banned words"),
        (400, "The prompt was flagged as unsafe"),
        (400, "Request blocked: nudity detected"),
        (400, "Prompt rejected: violates usage policy"),
        (400, "プロンプトに不適切な内容が含まれています"),
        (400, "Moderation blocked"),
        (500, "NSFW content detected"),
    ),
    Kind.UNAVAILABLE: (
        (503, "upstream is busy"),
        (503, "当前模型 x 负载较高，请稍候重试"),
        (503, "系统繁忙，请稍后再试"),
        (500, "没有可用的Token进行图片生成"),
        (503, "Service temporarily unavailable due to maintenance until 2026-11-29"),
    ),
    Kind.LOST: (
        (502, "Upstream request failed: error sending request"),
        (500, "Error communicating with OpenAI"),
    ),
    Kind.BAD_REQUEST: (
        (400, "Invalid size. The requested model supports 1024x1024"),
        (400, "Unsupported parameter: 'background' is not supported with this model."),
        (400, "Invalid image file or mode for image 1, please check your image file."),
        (400, "The image size is too large. Maximum 4MB"),
        (400, "timeout while downloading image_url"),
    ),
    Kind.ACCOUNT: (
        (400, "You must be verified to use gpt-image"),
        (403, "To access gpt-image-1, your organization must complete verification"),
    ),
    Kind.RATE: (
        (429, "Concurrency limit reached"),
        (429, "You've reached your concurrent image limit"),
    ),
}
"""HTTP statuses and messages, by the kind that they must be."""
