"""A short list of China, Japan, Korea, Thailand or the Baltic is never read as others' words; a longer one is read."""

import random

import pytest

from kardus.support.tabular.east_asian import is_japanese, is_korean, may_be
from kardus.support.tabular.encodings import likely_encodings

PRODUCTS = {
    "gb18030": "绿茶 咖啡 牛奶 白糖 大米 酱油 饼干 巧克力 方便面 矿泉水 果汁 啤酒 洗衣粉 牙膏 香皂 "
    "纸巾 电池 灯泡 橙汁 苹果 香蕉 食盐 花生油 番茄酱 蜂蜜 红茶 面粉 鸡蛋 豆腐 罐头",
    "big5": "綠茶 咖啡 牛奶 白糖 大米 醬油 餅乾 巧克力 泡麵 礦泉水 果汁 啤酒 洗衣粉 牙膏 香皂 紙巾 "
    "電池 燈泡 橙汁 蘋果 香蕉 食鹽 花生油 番茄醬 蜂蜜 紅茶 麵粉 雞蛋 豆腐 罐頭",
    "cp932": "緑茶 コーヒー 牛乳 砂糖 米 醤油 ビスケット チョコレート ラーメン 水 ジュース ビール "
    "洗剤 歯磨き粉 石鹸 ティッシュ 電池 電球 オレンジ りんご バナナ 塩 油 ケチャップ 蜂蜜 "
    "紅茶 小麦粉 卵 豆腐 缶詰",
    "euc_jp": "緑茶 コーヒー 牛乳 砂糖 米 醤油 ビスケット チョコレート ラーメン 水 ジュース ビール "
    "洗剤 歯磨き粉 石鹸 ティッシュ",
    "cp949": "녹차 커피 우유 설탕 쌀 간장 과자 초콜릿 라면 생수 주스 맥주 세제 치약 비누 휴지 건전지 "
    "전구 오렌지 사과 바나나 소금 식용유 케첩 꿀 홍차 밀가루 달걀 두부 통조림",
    "cp874": "ชาเขียว กาแฟ นมสด น้ำตาล ข้าวหอมมะลิ น้ำปลา บิสกิต ช็อกโกแลต บะหมี่ น้ำดื่ม เบียร์ ผงซักฟอก ยาสีฟัน สบู่ ถ่านไฟฉาย หลอดไฟ ส้ม",
    "cp1257": "Arbata Kavą Pieną Cukrų Ryžiai Padažas Sausainių Šokoladą Makaronų Vandenį Alų Muilą "
    "Servetėlės Baterijų Lempą Apelsinų Obuolį Bananų Druską Aliejų Kečupą Medų Miltų "
    "Kiaušinių",
}


def _list(products: list[str]) -> str:
    return "location;sku\r\n" + "".join(f"A-{number:02d};{name}\r\n" for number, name in enumerate(products))


@pytest.mark.parametrize("encoding", PRODUCTS)
def test_a_short_list_is_read_rightly_or_not_at_all(encoding: str) -> None:
    drawn, names = random.Random(5), PRODUCTS[encoding].split()
    for _ in range(60):
        text = _list(drawn.sample(names, drawn.choice((2, 3, 5, 8, 12))))
        content = text.encode(encoding)
        found = likely_encodings(content)
        assert len(found) != 1 or content.decode(found[0]) == text, (found, text)


@pytest.mark.parametrize("encoding", PRODUCTS)
def test_a_longer_list_is_read(encoding: str) -> None:
    text = _list(PRODUCTS[encoding].split())
    (found,) = likely_encodings(text.encode(encoding))
    assert text.encode(encoding).decode(found) == text


def test_kana_of_full_width_is_japanese_and_of_half_width_may_be_anything() -> None:
    assert is_japanese("コーヒー 豆腐")
    assert not is_japanese("ｺｰﾋｰ")
    assert is_japanese("豆腐 米 水 コーヒー")
    assert not is_japanese("豆腐 米 水 卵 コーヒー")
    assert may_be("cp932", "ｺｰﾋｰ")
    assert not may_be("cp932", "ﾂ﨤J")


def test_rare_syllables_and_chinese_letters_are_not_korean() -> None:
    assert is_korean(PRODUCTS["cp949"])
    assert not is_korean("녹차 커피"), "too short to show it"
    assert not is_korean(PRODUCTS["cp949"] + " 겜鎌")
    assert not may_be("cp949", "귟귪궟")
