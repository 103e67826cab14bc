"""What programs call the months in dates, in languages of Europe and Asia (Unicode's CLDR)."""

# ruff: noqa: RUF001 - words of other languages

_MONTHS = frozenset(
    """
    abendua abril abuztua agost agosto agustus août apirila april aprile aprilie aprill apríl apríla aprīlis
    aralık august augusta augusti augusts augustus augusztus avgust avril azaroa ağustos balandis balandžio
    birželio birželis březen března czerwca czerwiec decembar december decembra decembrie decembris decembro
    desember desembre detsember dezember dezembro dhjetor dicembre diciembre disember duben dubna décembre ekaina
    ekim elokuu elokuuta enero eylül febbraio febreiro febrer febrero februar februari februarie february február
    februára februāris febrúar fevereiro février gegužė gegužės gener gennaio giugno grudnia grudzień gruodis
    gruodžio gusht haziran heinäkuu heinäkuuta helmikuu helmikuuta huhtikuu huhtikuuta ianuarie iraila iulie iunie
    jaanuar janar janeiro januar januari january január januára janvier janvāris janúar joulukuu joulukuuta
    juillet juin jul julai julho juli julij julio juliol july jun june junho juni junij junio juny juuli juuni júl
    júla július júlí jún júna június júní jūlijs jūnijs kasım kesäkuu kesäkuuta kolovoz kolovoza korrik kovas kovo
    květen května kwiecień kwietnia lapkritis lapkričio leden ledna liepa liepos lipanj lipca lipiec lipnja
    listopad listopada listopadu lokakuu lokakuuta luglio lutego luty maaliskuu maaliskuuta maart maggio mai
    maiatza maig maijs maio maj maja marca march marec maret marraskuu marraskuuta mars mart martie marts martxoa
    marzec marzo març março may mayo mayıs maí mei máj mája május március märts märz nisan noiembrie novembar
    november novembra novembre novembris novembro noviembre nëntor nóvember ocak october octobre octombrie octubre
    ogos oktobar oktober oktobris oktoober október októbra otsaila ottobre outubro ožujak ožujka październik
    października prill prosinac prosinca prosince prosinec qershor rugpjūtis rugpjūčio rugsėjis rugsėjo rujan
    rujna sausio sausis septembar september septembra septembre septembrie septembris septiembre setembre setembro
    settembre shkurt shtator sierpień sierpnia siječanj siječnja spalio spalis srpanj srpen srpna srpnja studeni
    studenoga styczeń stycznia svibanj svibnja syyskuu syyskuuta szeptember tammikuu tammikuuta temmuz tetor
    toukokuu toukokuuta travanj travnja urria urtarrila uztaila vasario vasaris veebruar veljača veljače wrzesień
    września xaneiro xullo xuño září ágúst április únor února červen července červenec června říjen října şubat
    απρίλιος απριλίου αυγούστου αύγουστος δεκέμβριος δεκεμβρίου ιανουάριος ιανουαρίου ιουλίου ιουνίου ιούλιος
    ιούνιος μάιος μάρτιος μαΐου μαρτίου νοέμβριος νοεμβρίου οκτωβρίου οκτώβριος σεπτέμβριος σεπτεμβρίου
    φεβρουάριος φεβρουαρίου август августа апрель апреля април березень березня вересень вересня грудень грудня
    декабрь декабря декември жовтень жовтня июль июля июнь июня квітень квітня липень липня листопад листопада
    лютий лютого май март марта мая ноември ноябрь ноября октомври октябрь октября сентябрь сентября септември
    серпень серпня січень січня травень травня февраль февраля февруари червень червня юли юни январь января
    януари
    abr ago ags agt agu apr aug avr ağu birž bře cze dec des dets dez dic déc ene eyl feb febr fev févr gen giu
    gru gruod haz heinä helmi huhti jaan jan janv joulu juil jän jūl jūn kesä korr kvě kwi lapkr liep loka lug lut
    maalis mag mar marras mrt mrz márc mär nis nov nën nóv oct okt ott ožu paź rugp rugs saus sep sept set sie
    spal sty syys szept tammi tem touko veebr velj wrz zář ágú ápr úno čvc čvn říj şub απρ αυγ αύγ δεκ ιαν ιουλ
    ιουν ιούλ ιούν μάι μάρ μαΐ μαρ νοέ νοε οκτ σεπ φεβ авг апр бер вер груд дек жовт июл июн квіт лип лист лют мар
    ное нояб окт сент сеп серп січ трав фев февр черв янв яну
    אוג אוגוסט אוק אוקטובר אפר אפריל דצמ דצמבר יולי יוני ינו ינואר מאי מרץ נוב נובמבר ספט ספטמבר פבר פברואר آب آذار
    آوریل أبريل أغسطس أكتوبر أيار أيلول اوت اکتبر تموز حزيران دسامبر ديسمبر سبتمبر سپتامبر شباط فبراير فوریه مارس
    مايو مه نوامبر نوفمبر نيسان يناير يوليو يونيو ژانویه ژوئن ژوئیه अक्टू अक्टूबर अग अगस्त अप्रैल जन जनवरी जुल जुलाई
    जून दिस दिसंबर नव नवंबर फ़र फ़रवरी मई मार्च सित सितंबर অক্টো অক্টোবর আগ আগস্ট এপ্রি এপ্রিল জানু জানুয়ারি জুন
    জুল জুলাই ডিসে ডিসেম্বর নভে নভেম্বর ফেব ফেব্রুয়ারি মার্চ মে সেপ সেপ্ট সেপ্টেম্বর ก.ค ก.พ ก.ย กรกฎาคม กันยายน
    กุมภาพันธ์ ต.ค ตุลาคม ธ.ค ธันวาคม พ.ค พ.ย พฤศจิกายน พฤษภาคม ม.ค มกราคม มิ.ย มิถุนายน มี.ค มีนาคม ส.ค สิงหาคม
    เม.ย เมษายน
    """.replace("ı", "i").split()
)
"""Names and abbreviations, in lower case and NFC. Of three letters, those aren't there that as likely begin a code
(KAS, ARA, PRO, OUT, LIS)."""

_ABBREVIATED = ".\u05f3\u0970'\u2019"
"""What stands behind a shortened name: a dot, in Hebrew a geresh, in Hindi a sign of its own."""


def is_month(word: str) -> bool:
    """Whether a word is a month's name, in any case of letters, in NFC."""
    name = word.rstrip(_ABBREVIATED).lower()
    return name.replace("i\u0307", "i").replace("ı", "i") in _MONTHS  # of both Turkish ones
